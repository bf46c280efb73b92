"""Edge packaging, fleets, deployment plans and the devices' own API through boto3 (L04). Packaging once plainly, once with every action twice."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import WORLD
from support.edge import ARTEFACT, COMPILED, EdgeRig
from support.job_rig import hurry
from support.jobs import archive

from sagewright.features.records import fleet_report


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EdgeRig]:
    with EdgeRig(tmp_path, twice=request.param) as made:
        yield made


@pytest.fixture
def once(tmp_path: Path) -> Iterator[EdgeRig]:
    with EdgeRig(tmp_path) as made:
        yield made


def contents(rig: EdgeRig, uri: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(rig.objects.get(uri))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def key(rig: EdgeRig, device: str = "d1") -> bytes:
    answer = rig.edge.get_device_registration(DeviceFleetName="fleet", DeviceName=device)
    assert int(answer["CacheTTL"]) > 0
    return bytes.fromhex(json.loads(answer["DeviceRegistration"])["VerificationKey"])


def test_from_compilation_to_package(rig: EdgeRig) -> None:
    """API DescribeEdgePackagingJob: artefact and signature; the package's files are those of its manifest; nothing stays on disk."""
    rig.compiled()
    rig.package()
    found = rig.ended()
    assert found["EdgePackagingJobStatus"] == "COMPLETED", found
    assert found["EdgePackagingJobArn"] == f"arn:aws:sagemaker:{WORLD.region}:{WORLD.account}:edge-packaging-job/package"
    assert found["ModelArtifact"] == "s3://bucket/packages/forest-1.0.tar.gz"
    packed = contents(rig, found["ModelArtifact"])
    assert packed.keys() == {*COMPILED, "manifest.json", "manifest.sig"}
    manifest = json.loads(packed["manifest.json"])
    assert (manifest["ModelName"], manifest["ModelVersion"], manifest["Framework"]) == ("forest", "1.0", "SKLEARN")
    assert manifest["Files"] == {name: hashlib.sha256(content).hexdigest() for name, content in COMPILED.items()}
    rig.fleet("d1")
    signature = hmac.new(key(rig), packed["manifest.json"], "sha256").hexdigest()
    assert packed["manifest.sig"].decode() == signature == found["ModelSignature"]
    (summary,) = rig.sagemaker.list_edge_packaging_jobs(ModelNameContains="ores", StatusEquals="COMPLETED")[
        "EdgePackagingJobSummaries"
    ]
    assert (summary["ModelName"], summary["CompilationJobName"]) == ("forest", "compiled")
    rig.until(
        lambda: (rig.jobs / "edge-packaging-job" / WORLD.account / WORLD.region / "package").exists(), lambda there: not there
    )


def test_a_signature_is_of_one_account_and_region(once: EdgeRig) -> None:
    once.fleet("d1")
    elsewhere = {"region": "eu-west-1"}
    once.harness.client("sagemaker", **elsewhere).create_device_fleet(
        DeviceFleetName="fleet", OutputConfig={"S3OutputLocation": "s3://bucket/fleet"}
    )
    once.harness.client("sagemaker", **elsewhere).register_devices(DeviceFleetName="fleet", Devices=[{"DeviceName": "d1"}])
    other = once.harness.client("sagemaker-edge", **elsewhere)
    answer = other.get_device_registration(DeviceFleetName="fleet", DeviceName="d1")
    assert bytes.fromhex(json.loads(answer["DeviceRegistration"])["VerificationKey"]) != key(once)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not there or cannot be read"),
        (b"no archive", "no archive that can be unpacked"),
        (archive({"model.joblib": b"x"}), "holds no compiled model"),
        (archive({"model.onnx": b"x", "compiled.json": b"{"}), "holds no compiled model"),
    ],
)
def test_an_artefact_that_cannot_be_packaged_fails_the_job(once: EdgeRig, content: bytes | None, words: str) -> None:
    if content is None:
        del once.objects.buckets["bucket"]["out/model-ml_c5.tar.gz"]
    else:
        once.objects.put(ARTEFACT, content)
    once.compiled()
    once.package()
    found = once.ended()
    assert found["EdgePackagingJobStatus"] == "FAILED"
    assert found["EdgePackagingJobStatusMessage"].startswith("ClientError: ")
    assert words in found["EdgePackagingJobStatusMessage"]


def test_a_compilation_that_has_not_completed(once: EdgeRig) -> None:
    once.compiled(state="FAILED")
    once.package()
    assert "is in status FAILED" in once.ended()["EdgePackagingJobStatusMessage"]


def test_a_bucket_that_is_not_there(once: EdgeRig) -> None:
    once.compiled()
    once.package(OutputConfig={"S3OutputLocation": "s3://nowhere/x"})
    assert "The bucket nowhere does not exist" in once.ended()["EdgePackagingJobStatusMessage"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CompilationJobName": "nobody"}, "nobody"),
        ({"OutputConfig": {"S3OutputLocation": "s3://b", "PresetDeploymentType": "GreengrassV2Component"}}, "Greengrass"),
        ({"OutputConfig": {"S3OutputLocation": "https://b/x"}}, "no place in S3"),
    ],
)
def test_what_create_refuses(once: EdgeRig, changes: dict[str, Any], words: str) -> None:
    once.compiled()
    with pytest.raises(ClientError, match=words):
        once.package(**changes)


def test_fleets_without_greengrass(once: EdgeRig) -> None:
    once.fleet("d1")
    output = {"S3OutputLocation": "s3://bucket/x", "PresetDeploymentType": "GreengrassV2Component"}
    with pytest.raises(ClientError, match="Greengrass"):
        once.sagemaker.create_device_fleet(DeviceFleetName="other", OutputConfig=output)
    with pytest.raises(ClientError, match="Greengrass"):
        once.sagemaker.update_device_fleet(DeviceFleetName="fleet", OutputConfig=output)


def test_stop(rig: EdgeRig) -> None:
    """A job that waits for S3 is stopped, and stays so."""
    rig.compiled()
    rig.objects.away = True
    rig.package()
    rig.until(rig.describe, lambda job: job["EdgePackagingJobStatus"] == "INPROGRESS")
    rig.sagemaker.stop_edge_packaging_job(EdgePackagingJobName="package")
    assert rig.ended()["EdgePackagingJobStatus"] == "STOPPED"
    with pytest.raises(ClientError, match="in status STOPPED"):
        rig.sagemaker.stop_edge_packaging_job(EdgePackagingJobName="package")


def test_a_control_that_comes_back_goes_on(rig: EdgeRig) -> None:
    rig.compiled()
    rig.objects.away = True
    rig.package()
    rig.until(rig.describe, lambda job: job["EdgePackagingJobStatus"] == "INPROGRESS")
    rig.restart()
    rig.objects.away = False
    assert rig.ended()["EdgePackagingJobStatus"] == "COMPLETED"


def heartbeat(rig: EdgeRig, device: str, **more: Any) -> None:
    rig.edge.send_heartbeat(DeviceFleetName="fleet", DeviceName=device, AgentVersion="1.2", **more)


def test_heartbeats_are_shown(once: EdgeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """API DescribeDevice, ListDevices, GetDeviceFleetReport."""
    once.fleet("d1", "d2", "d3")
    began = time.time()
    model = {"ModelName": "forest", "ModelVersion": "1.0"}
    heartbeat(once, "d1", Models=[{**model, "LatestInference": began, "LatestSampleTime": began - 3600}])
    heartbeat(once, "d2", Models=[model])
    found = once.sagemaker.describe_device(DeviceFleetName="fleet", DeviceName="d1")
    assert found["AgentVersion"] == "1.2"
    assert found["LatestHeartbeat"].timestamp() >= began - 1
    (shown,) = found["Models"]
    assert (shown["ModelName"], shown["ModelVersion"]) == ("forest", "1.0")
    assert abs(shown["LatestInference"].timestamp() - began) < 2
    names = [
        d["DeviceName"] for d in once.sagemaker.list_devices(DeviceFleetName="fleet", ModelName="forest")["DeviceSummaries"]
    ]
    assert sorted(names) == ["d1", "d2"]
    listed = once.sagemaker.list_devices(DeviceFleetName="fleet", LatestHeartbeatAfter=began - 5)["DeviceSummaries"]
    assert sorted(device["DeviceName"] for device in listed) == ["d1", "d2"]
    report = once.sagemaker.get_device_fleet_report(DeviceFleetName="fleet")
    assert report["DeviceStats"] == {"ConnectedDeviceCount": 2, "RegisteredDeviceCount": 3}
    assert report["AgentVersions"] == [{"Version": "1.2", "AgentCount": 2}]
    counts = {"ConnectedDeviceCount": 2, "OfflineDeviceCount": 0, "ActiveDeviceCount": 1, "SamplingDeviceCount": 0}
    assert report["ModelStats"] == [{**model, **counts}]
    monkeypatch.setattr(fleet_report, "RECENT_SECONDS", -1.0)
    report = once.sagemaker.get_device_fleet_report(DeviceFleetName="fleet")
    assert report["DeviceStats"]["ConnectedDeviceCount"] == 0
    assert report["ModelStats"][0]["OfflineDeviceCount"] == 2


def test_devices_that_are_not_registered(once: EdgeRig) -> None:
    once.fleet("d1")
    with pytest.raises(ClientError, match="No device with name"):
        heartbeat(once, "d9")
    with pytest.raises(ClientError, match="No device with name"):
        once.edge.get_device_registration(DeviceFleetName="fleet", DeviceName="d9")
    with pytest.raises(ClientError, match="No device with name"):
        once.edge.get_deployments(DeviceFleetName="other", DeviceName="d1")


STAGE = {"StageName": "first", "DeviceSelectionConfig": {"DeviceSubsetType": "PERCENTAGE", "Percentage": 34}}
REST = {
    "StageName": "rest",
    "DeviceSelectionConfig": {"DeviceSubsetType": "NAMECONTAINS", "DeviceNameContains": "d"},
    "DeploymentConfig": {"FailureHandlingPolicy": "ROLLBACK_ON_FAILURE"},
}


def deployment(rig: EdgeRig, *stages: dict[str, Any]) -> None:
    rig.compiled()
    rig.package()
    assert rig.ended()["EdgePackagingJobStatus"] == "COMPLETED"
    models = [{"ModelHandle": "handle", "EdgePackagingJobName": "package"}]
    arn = rig.sagemaker.create_edge_deployment_plan(
        EdgeDeploymentPlanName="plan", DeviceFleetName="fleet", ModelConfigs=models, Stages=list(stages)
    )["EdgeDeploymentPlanArn"]
    assert arn.endswith(":edge-deployment/plan")


def offered(rig: EdgeRig, device: str) -> list[dict[str, Any]]:
    return list(rig.edge.get_deployments(DeviceFleetName="fleet", DeviceName=device)["Deployments"])


def shown(rig: EdgeRig) -> dict[str, Any]:
    return dict(rig.sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName="plan"))


def test_a_plan_goes_from_stage_to_stage(once: EdgeRig) -> None:
    """API EdgeDeploymentPlan: what a started stage offers its devices, what their reports make of it, and what is counted."""
    once.fleet("d1", "d2", "d3")
    deployment(once, STAGE)
    once.sagemaker.create_edge_deployment_stage(EdgeDeploymentPlanName="plan", Stages=[REST])
    assert [stage["DeploymentStatus"]["StageStatus"] for stage in shown(once)["Stages"]] == ["READYTODEPLOY"] * 2
    assert offered(once, "d1") == []
    once.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="first")
    assert offered(once, "d3") == []
    (found,) = offered(once, "d1")
    assert (found["DeploymentName"], found["FailureHandlingPolicy"]) == ("plan", "DO_NOTHING")
    (definition,) = found["Definitions"]
    package = once.objects.get(definition["S3Url"])
    assert definition["Checksum"] == {"Type": "SHA1", "Sum": hashlib.sha1(package).hexdigest()}
    with pytest.raises(ClientError, match="under way"):
        once.sagemaker.delete_edge_deployment_plan(EdgeDeploymentPlanName="plan")
    for device in ("d1", "d2"):  # 34 percent of three, rounded up
        heartbeat(once, device, DeploymentResult={"DeploymentName": "plan", "DeploymentStatus": "SUCCESS"})
    plan = shown(once)
    assert plan["Stages"][0]["DeploymentStatus"]["StageStatus"] == "DEPLOYED"
    assert (plan["EdgeDeploymentSuccess"], plan["EdgeDeploymentPending"], plan["EdgeDeploymentFailed"]) == (2, 0, 0)
    once.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="rest")
    failed = {"ModelHandle": "handle", "Status": "FAIL", "StatusReason": "no room"}
    heartbeat(once, "d3", DeploymentResult={"DeploymentName": "plan", "DeploymentModels": [failed]})
    once.sagemaker.stop_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="rest")
    assert offered(once, "d1") == []
    status = shown(once)["Stages"][1]["DeploymentStatus"]
    assert (status["StageStatus"], status["EdgeDeploymentFailedInStage"]) == ("STOPPED", 1)
    (summary,) = once.sagemaker.list_edge_deployment_plans(DeviceFleetNameContains="flee")["EdgeDeploymentPlanSummaries"]
    assert (summary["EdgeDeploymentSuccess"], summary["EdgeDeploymentFailed"]) == (2, 1)


def test_the_devices_of_a_stage(once: EdgeRig) -> None:
    """API ListStageDevices: before the start those it would go to; pages; who has the models from elsewhere can be left out."""
    once.fleet("d1", "d2", "d3")
    deployment(once, STAGE, REST)
    asked = {"EdgeDeploymentPlanName": "plan", "StageName": "rest"}
    first = once.sagemaker.list_stage_devices(**asked, MaxResults=2)
    second = once.sagemaker.list_stage_devices(**asked, MaxResults=2, NextToken=first["NextToken"])
    rows = first["DeviceDeploymentSummaries"] + second["DeviceDeploymentSummaries"]
    assert [row["DeviceName"] for row in rows] == ["d1", "d2", "d3"]
    assert {row["DeviceDeploymentStatus"] for row in rows} == {"READYTODEPLOY"}
    once.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="first")
    heartbeat(once, "d1", DeploymentResult={"DeploymentName": "plan"})
    rows = once.sagemaker.list_stage_devices(**asked, ExcludeDevicesDeployedInOtherStage=True)["DeviceDeploymentSummaries"]
    assert [row["DeviceName"] for row in rows] == ["d2", "d3"]
    with pytest.raises(ClientError, match="under way"):
        once.sagemaker.delete_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="first")
    once.sagemaker.stop_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="first")
    once.sagemaker.delete_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName="first")
    assert [stage["StageName"] for stage in shown(once)["Stages"]] == ["rest"]
    once.sagemaker.delete_edge_deployment_plan(EdgeDeploymentPlanName="plan")
    with pytest.raises(ClientError):
        shown(once)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([STAGE, STAGE], "StageName of its own"),
        ([{"StageName": "x", "DeviceSelectionConfig": {"DeviceSubsetType": "SELECTION"}}], "DeviceNames is required"),
        (
            [{"StageName": "x", "DeviceSelectionConfig": {**STAGE["DeviceSelectionConfig"], "DeviceNames": ["d1"]}}],
            "cannot be given",
        ),  # type: ignore[dict-item]
    ],
)
def test_stages_that_are_refused(once: EdgeRig, stages: list[dict[str, Any]], words: str) -> None:
    once.fleet("d1")
    with pytest.raises(ClientError, match=words):
        deployment(once, *stages)
    with pytest.raises(ClientError):
        shown(once)


def test_a_stage_that_cannot_be_started(once: EdgeRig) -> None:
    once.fleet("d1")
    nobody = {"StageName": "x", "DeviceSelectionConfig": {"DeviceSubsetType": "SELECTION", "DeviceNames": ["d9"]}}
    deployment(once, nobody)
    for name, words in (("x", "selects no device"), ("y", "has no stage y")):
        with pytest.raises(ClientError, match=words):
            once.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="plan", StageName=name)
