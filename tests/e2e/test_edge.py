"""From a compilation job to a device: packaged, served by the agent as a process of its own, reported, replaced by a deployment (L03, L04)."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from support.jobs import archive, bucket, wait
from support.server import ROLE, Server, eventually

from sagewright.settings import free_port

ROWS = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
ENDED = {"COMPLETED", "FAILED", "STOPPED"}


def booster() -> xgboost.Booster:
    matrix = xgboost.DMatrix(ROWS, ROWS.sum(1) > 0)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, matrix, 10)


def compiled(server: Server, store: str, model: xgboost.Booster) -> None:
    """The compilation job ``model``."""
    sagemaker = server.client("sagemaker")
    raw = bytes(model.save_raw("ubj"))
    server.client("s3").put_object(Bucket=store, Key="model.tar.gz", Body=archive({"xgboost-model": raw}))
    given = {"S3Uri": f"s3://{store}/model.tar.gz", "Framework": "XGBOOST", "DataInputConfig": '{"data": [1, 5]}'}
    sagemaker.create_compilation_job(
        CompilationJobName="model",
        RoleArn=ROLE,
        InputConfig=given,
        OutputConfig={"S3OutputLocation": f"s3://{store}/compiled", "TargetDevice": "rasp4b"},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )
    job = wait(lambda: sagemaker.describe_compilation_job(CompilationJobName="model"), "CompilationJobStatus", ENDED, 120)
    assert job["CompilationJobStatus"] == "COMPLETED", job


def packaged(server: Server, store: str, name: str, version: str) -> str:
    """Where the package lies."""
    sagemaker = server.client("sagemaker")
    sagemaker.create_edge_packaging_job(
        EdgePackagingJobName=name,
        CompilationJobName="model",
        ModelName="classifier",
        ModelVersion=version,
        RoleArn=ROLE,
        OutputConfig={"S3OutputLocation": f"s3://{store}/packages"},
    )
    job = wait(lambda: sagemaker.describe_edge_packaging_job(EdgePackagingJobName=name), "EdgePackagingJobStatus", ENDED, 60)
    assert job["EdgePackagingJobStatus"] == "COMPLETED", job
    assert len(bytes.fromhex(job["ModelSignature"])) == 32
    return str(job["ModelArtifact"])


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "sagewright", "edge-agent", "--fleet", "cameras", "--device", "roof", *more]


@contextmanager
def agent(server: Server, port: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A device."""
    words = command("--port", str(port), "--heartbeat-seconds", "0.3", *more)
    process = subprocess.Popen(words, env=server.process_environment())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def ask(port: int, path: str = "/ping", body: bytes | None = None) -> bytes:
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return bytes(answer.read())


def is_up(port: int) -> bool:
    try:
        ask(port)
    except OSError:
        return False
    return True


def predict(port: int) -> NDArray[Any]:
    text = "\n".join(",".join(map(str, row)) for row in ROWS[:9])
    return np.loadtxt(io.StringIO(ask(port, "/invocations", text.encode()).decode()))


def answers(model: xgboost.Booster) -> NDArray[Any]:
    return np.asarray(model.predict(xgboost.DMatrix(ROWS[:9])))


def test_a_model_goes_to_a_device(server: Server) -> None:
    """The device answers as the original does; heartbeats are shown; a deployment replaces the model; samples lie in S3."""
    sagemaker, store = server.client("sagemaker"), bucket(server, "edge")
    model = booster()
    compiled(server, store, model)
    package = packaged(server, store, "first", "1.0")
    packaged(server, store, "second", "2.0")
    sagemaker.create_device_fleet(DeviceFleetName="cameras", OutputConfig={"S3OutputLocation": f"s3://{store}/samples"})
    port = free_port("127.0.0.1")
    with agent(server, port, "--package", package, "--capture", "100"):
        eventually(lambda: is_up(port), 60)
        assert np.allclose(predict(port), answers(model), atol=1e-5)

        def device() -> dict[str, Any]:
            return dict(sagemaker.describe_device(DeviceFleetName="cameras", DeviceName="roof"))

        eventually(lambda: "LatestSampleTime" in device().get("Models", [{}])[0], 30, lambda: str(device()))
        assert device()["Models"][0]["ModelVersion"] == "1.0"
        report = sagemaker.get_device_fleet_report(DeviceFleetName="cameras")
        counts = {"ConnectedDeviceCount": 1, "OfflineDeviceCount": 0, "ActiveDeviceCount": 1, "SamplingDeviceCount": 1}
        assert report["ModelStats"] == [{"ModelName": "classifier", "ModelVersion": "1.0", **counts}]
        sagemaker.create_edge_deployment_plan(
            EdgeDeploymentPlanName="update",
            DeviceFleetName="cameras",
            ModelConfigs=[{"ModelHandle": "model", "EdgePackagingJobName": "second"}],
            Stages=[{"StageName": "all", "DeviceSelectionConfig": {"DeviceSubsetType": "PERCENTAGE", "Percentage": 100}}],
        )
        sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="update", StageName="all")

        def stage() -> str:
            plan = sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName="update")
            return str(plan["Stages"][0]["DeploymentStatus"]["StageStatus"])

        eventually(lambda: stage() == "DEPLOYED", 30, stage)
        assert device()["Models"][0]["ModelVersion"] == "2.0"
        assert np.allclose(predict(port), answers(model), atol=1e-5)
    (key, *_) = [entry["Key"] for entry in server.client("s3").list_objects_v2(Bucket=store, Prefix="samples/")["Contents"]]
    assert key.startswith("samples/roof/classifier/")
    sample = json.loads(server.client("s3").get_object(Bucket=store, Key=key)["Body"].readline())
    assert sample["captureData"]["endpointInput"]["data"].count("\n") == 8
    forged = server.folder / "forged.tar.gz"
    forged.write_bytes(archive({"model.onnx": b"x", "manifest.json": b"{}", "manifest.sig": b"0"}))
    done = subprocess.run(
        command("--package", str(forged)),
        env=server.process_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "signature" in done.stderr
    assert os.listdir(server.settings.data / "edge" / "cameras")  # noqa: PTH208
