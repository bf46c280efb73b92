"""kill -9 of control at many points of compilation and edge packaging jobs: each is done once, with its artefact (C01, L01, L03)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.test_edge import ENDED, booster, compiled
from support.jobs import archive, bucket, wait
from support.server import ROLE, Server, eventually, running_server

POINTS = (0.0, 0.1, 0.4, 1.0, 2.0)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def killed(server: Server, after: float) -> None:
    begun = time.monotonic()
    eventually(lambda: time.monotonic() >= begun + after)
    server.kill("control")
    server.wait_until_healthy()


def keys(server: Server, store: str, prefix: str) -> list[str]:
    listed = server.client("s3").list_objects_v2(Bucket=store, Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", ())]


@pytest.mark.slow
def test_compilation_jobs_end_once(server: Server) -> None:
    store, sagemaker = bucket(server, "compilation-survival"), server.client("sagemaker")
    raw = bytes(booster().save_raw("ubj"))
    server.client("s3").put_object(Bucket=store, Key="model.tar.gz", Body=archive({"xgboost-model": raw}))

    def create(name: str) -> None:
        given = {"S3Uri": f"s3://{store}/model.tar.gz", "Framework": "XGBOOST", "DataInputConfig": '{"data": [1, 5]}'}
        sagemaker.create_compilation_job(
            CompilationJobName=name,
            RoleArn=ROLE,
            InputConfig=given,
            OutputConfig={"S3OutputLocation": f"s3://{store}/{name}", "TargetDevice": "ml_c5"},
            StoppingCondition={"MaxRuntimeInSeconds": 300},
        )

    def ended(name: str) -> dict[str, Any]:
        return wait(lambda: sagemaker.describe_compilation_job(CompilationJobName=name), "CompilationJobStatus", ENDED, 120)

    for at, after in enumerate(POINTS):
        create(f"job{at}")
        killed(server, after)
        job = ended(f"job{at}")
        assert job["CompilationJobStatus"] == "COMPLETED", job
        assert keys(server, store, f"job{at}/") == [job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{store}/")]
    create("stopped")
    sagemaker.stop_compilation_job(CompilationJobName="stopped")
    server.kill_everything()
    server.start()
    assert ended("stopped")["CompilationJobStatus"] in ("STOPPED", "COMPLETED")
    assert not list(server.settings.jobs.glob("compilation-job/*/*/*/algo-1"))


@pytest.mark.slow
def test_packages_are_made_once_and_a_stage_goes_on(server: Server) -> None:
    store, sagemaker = bucket(server, "edge-survival"), server.client("sagemaker")
    compiled(server, store, booster())
    for at, after in enumerate(POINTS):
        sagemaker.create_edge_packaging_job(
            EdgePackagingJobName=f"job{at}",
            CompilationJobName="model",
            ModelName="classifier",
            ModelVersion=f"{at}.0",
            RoleArn=ROLE,
            OutputConfig={"S3OutputLocation": f"s3://{store}/packages"},
        )
        killed(server, after)
        job = wait(
            lambda at=at: sagemaker.describe_edge_packaging_job(EdgePackagingJobName=f"job{at}"),  # type: ignore[misc]
            "EdgePackagingJobStatus",
            ENDED,
            60,
        )
        assert job["EdgePackagingJobStatus"] == "COMPLETED", job
        assert job["ModelArtifact"].removeprefix(f"s3://{store}/") in keys(server, store, "packages")
    assert len(keys(server, store, "packages")) == len(POINTS)
    assert not list(server.settings.jobs.glob("edge-packaging-job/*/*/*"))
    sagemaker.create_device_fleet(DeviceFleetName="fleet", OutputConfig={"S3OutputLocation": f"s3://{store}/samples"})
    sagemaker.register_devices(DeviceFleetName="fleet", Devices=[{"DeviceName": f"d{number}"} for number in range(4)])
    sagemaker.create_edge_deployment_plan(
        EdgeDeploymentPlanName="plan",
        DeviceFleetName="fleet",
        ModelConfigs=[{"ModelHandle": "model", "EdgePackagingJobName": "job0"}],
        Stages=[{"StageName": "half", "DeviceSelectionConfig": {"DeviceSubsetType": "PERCENTAGE", "Percentage": 50}}],
    )
    sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="half")

    def plan() -> dict[str, Any]:
        found = dict(sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName="plan"))
        return {name: found[name] for name in ("EdgeDeploymentSuccess", "EdgeDeploymentPending", "EdgeDeploymentFailed")}

    before = plan()
    server.kill_everything()
    server.start()
    assert plan() == before
