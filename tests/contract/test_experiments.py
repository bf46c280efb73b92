"""Inference experiments over real endpoints, with every action once and twice (feature K09; DG shadow-tests)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import ROLE, Harness
from support.serving import Rig, archive, xgboost_model

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.features.experiments.experiments import Experiments


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path, runtime: Runtime) -> Iterator[Rig]:
    """An endpoint that predicts its input, and a model that predicts three times as much."""
    with Rig(tmp_path, runtime, twice=getattr(request, "param", False)) as made:
        made.objects.put("s3://bucket/tripled.tar.gz", archive({"xgboost-model": xgboost_model(3.0)}))
        made.model()
        made.model("tripled", url="s3://bucket/tripled.tar.gz")
        made.config()
        assert made.endpoint()["EndpointStatus"] == "InService"
        yield made


def described(name: str, model: str, count: int = 1) -> dict[str, Any]:
    real_time = {"InstanceType": "ml.m5.large", "InstanceCount": count}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": real_time}
    return {"ModelName": model, "VariantName": name, "InfrastructureConfig": infrastructure}


def mode(sampling: int = 50) -> dict[str, Any]:
    shadows = [{"ShadowModelVariantName": "Dark", "SamplingPercentage": sampling}]
    return {"SourceModelVariantName": "AllTraffic", "ShadowModelVariants": shadows}


def create(rig: Rig, **changes: Any) -> str:
    request = {
        "Name": "test",
        "Type": "ShadowMode",
        "RoleArn": ROLE,
        "EndpointName": "e",
        "ModelVariants": [described("AllTraffic", "model"), described("Dark", "tripled")],
        "ShadowModeConfig": mode(),
        **changes,
    }
    return str(rig.sagemaker.create_inference_experiment(**request)["InferenceExperimentArn"])


def until(rig: Rig, *states: str) -> dict[str, Any]:
    return dict(
        rig.until(lambda: rig.sagemaker.describe_inference_experiment(Name="test"), lambda found: found["Status"] in states)
    )


def stop(rig: Rig, source: str, shadow: str, **more: Any) -> None:
    rig.sagemaker.stop_inference_experiment(Name="test", ModelVariantActions={"AllTraffic": source, "Dark": shadow}, **more)


def predicted(rig: Rig) -> float:
    return float(rig.invoke(b"5,1").body)


@pytest.mark.parametrize("rig", [False, True], indirect=True, ids=["once", "twice"])
def test_from_its_start_to_the_former_state(rig: Rig) -> None:
    arn = create(rig)
    found = until(rig, "Running")
    assert found["Arn"] == arn
    assert [entry["Status"] for entry in found["ModelVariants"]] == ["InService", "InService"]
    week = found["Schedule"]["EndTime"] - found["CreationTime"]
    assert week.total_seconds() == pytest.approx(7 * 86_400, abs=5)
    endpoint = rig.describe()
    assert found["EndpointMetadata"]["EndpointConfigName"] == endpoint["EndpointConfigName"]
    assert endpoint["ShadowProductionVariants"][0]["CurrentWeight"] == 0.5
    assert [round(predicted(rig)) for _ in range(10)] == [5] * 10
    rig.harness.run(rig.inference.mirror.idle())
    counted = rig.counters.drain(0.0) or b""
    assert b'"variant":"Dark"' in counted
    rig.sagemaker.update_inference_experiment(Name="test", ShadowModeConfig=mode(100), Description="all of them")
    assert until(rig, "Running")["Description"] == "all of them"
    assert rig.settled()["ShadowProductionVariants"][0]["CurrentWeight"] == 1.0
    stop(rig, "Retain", "Remove", Reason="seen enough")
    done = until(rig, "Completed", "Cancelled")
    assert (done["Status"], done["StatusReason"]) == ("Completed", "seen enough")
    assert {entry["VariantName"]: entry["Status"] for entry in done["ModelVariants"]} == {
        "AllTraffic": "InService",
        "Dark": "Deleted",
    }
    assert rig.describe()["EndpointConfigName"] == "config"
    assert "ShadowProductionVariants" not in rig.describe()
    (listed,) = rig.sagemaker.list_inference_experiments(StatusEquals="Completed", Type="ShadowMode")["InferenceExperiments"]
    assert listed["Name"] == "test"
    rig.sagemaker.delete_inference_experiment(Name="test")
    assert rig.sagemaker.list_inference_experiments()["InferenceExperiments"] == []
    assert rig.describe()["EndpointStatus"] == "InService"


@pytest.mark.slow
def test_its_records_are_captured_from_both_variants(rig: Rig) -> None:
    """API InferenceExperimentDataStorageConfig: the endpoint captures while the experiment runs, and no longer."""
    storage = {"Destination": "s3://bucket/records", "ContentType": {"CsvContentTypes": ["text/csv"]}}
    create(rig, DataStorageConfig=storage)
    until(rig, "Running")
    captured = rig.describe()["DataCaptureConfig"]
    assert (captured["CaptureStatus"], captured["CurrentSamplingPercentage"]) == ("Started", 100)
    assert captured["DestinationS3Uri"] == "s3://bucket/records"
    stop(rig, "Retain", "Remove")
    until(rig, "Completed")
    assert "DataCaptureConfig" not in rig.describe()


def test_the_shadow_is_promoted(rig: Rig) -> None:
    create(rig)
    until(rig, "Running")
    stop(rig, "Remove", "Promote", DesiredModelVariants=[described("Dark", "tripled", count=2)])
    assert until(rig, "Completed", "Cancelled")["Status"] == "Completed"
    found = rig.describe()
    assert [(entry["VariantName"], entry["CurrentInstanceCount"]) for entry in found["ProductionVariants"]] == [("Dark", 2)]
    assert predicted(rig) == pytest.approx(15.0, abs=1.0)


@pytest.mark.slow
def test_the_endpoint_gets_back_what_it_had_been_scaled_to(rig: Rig) -> None:
    wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wish)
    rig.settled()
    create(rig)
    until(rig, "Running")
    assert rig.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    rig.restart()
    stop(rig, "Retain", "Remove", DesiredState="Cancelled")
    assert until(rig, "Completed", "Cancelled")["Status"] == "Cancelled"
    assert rig.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 2


def test_one_that_waits_for_its_time(rig: Rig) -> None:
    start = time.time() + 86_400
    create(rig, Schedule={"StartTime": start, "EndTime": start + 7200})
    assert until(rig, "Created")["EndpointMetadata"]["EndpointConfigName"] == "config"
    for call in (
        lambda: rig.sagemaker.delete_inference_experiment(Name="test"),
        lambda: stop(rig, "Remove", "Remove"),
        lambda: rig.sagemaker.update_inference_experiment(Name="test", Schedule={"EndTime": start + 60}),
    ):
        with pytest.raises(botocore.exceptions.ClientError):
            call()
    rig.sagemaker.update_inference_experiment(Name="test", Schedule={"EndTime": start + 10_800})
    assert until(rig, "Created")["Schedule"]["EndTime"].timestamp() == pytest.approx(start + 10_800, abs=1)
    rig.sagemaker.start_inference_experiment(Name="test")
    until(rig, "Running")
    with pytest.raises(botocore.exceptions.ClientError, match="ConflictException"):
        rig.sagemaker.start_inference_experiment(Name="test")
    stop(rig, "Retain", "Retain")
    until(rig, "Completed")
    assert rig.describe()["ShadowProductionVariants"][0]["VariantName"] == "Dark"


@pytest.mark.slow
def test_a_shadow_that_cannot_be_deployed_cancels_it(rig: Rig) -> None:
    rig.model("missing", url="s3://bucket/nowhere.tar.gz")
    create(rig, ModelVariants=[described("AllTraffic", "model"), described("Dark", "missing")])
    done = until(rig, "Cancelled", "Running")
    assert "Failed to download model data" in done["StatusReason"]
    assert rig.describe()["EndpointConfigName"] == "config"
    assert predicted(rig) == pytest.approx(5.0, abs=0.3)


def test_an_endpoint_that_cannot_have_a_shadow(rig: Rig) -> None:
    """DG shadow-tests-create, Prerequisites."""
    with pytest.raises(botocore.exceptions.ClientError, match="as its only production variant"):
        create(
            rig,
            ModelVariants=[described("Other", "model"), described("Dark", "tripled")],
            ShadowModeConfig={**mode(), "SourceModelVariantName": "Other"},
        )
    several = {"ModelName": "several", "ExecutionRoleArn": ROLE, "Containers": [{"Image": "a"}, {"Image": "b"}]}
    rig.sagemaker.create_model(**several)
    with pytest.raises(botocore.exceptions.ClientError, match="several containers"):
        create(rig, ModelVariants=[described("AllTraffic", "model"), described("Dark", "several")])


@pytest.mark.slow
def test_an_endpoint_of_its_own(rig: Rig) -> None:
    """DG shadow-tests-create: an experiment may begin with nothing but models."""
    create(rig, EndpointName="new")
    until(rig, "Running")
    stop(rig, "Retain", "Remove")
    assert until(rig, "Completed", "Cancelled")["Status"] == "Completed"
    assert [entry["VariantName"] for entry in rig.settled("new")["ProductionVariants"]] == ["AllTraffic"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelVariants": [described("AllTraffic", "model")]}, "no other variant"),
        ({"ModelVariants": [described("AllTraffic", "model"), described("Other", "tripled")]}, "no other variant"),
        ({"ModelVariants": [described("AllTraffic", "model"), described("Dark", "nowhere")]}, "Could not find model"),
        ({"EndsIn": 60}, "between 1 hour and 30 days"),
        ({"EndsIn": -60}, "in the future"),
        ({"EndsIn": 31 * 86_400}, "between 1 hour and 30 days"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], words: str) -> None:
    controllers = {"InferenceExperiment"}
    with Harness(controllers=controllers, rules=Experiments.rules, quirks=Experiments.quirks) as harness:
        sagemaker = harness.client("sagemaker")
        for model in ("model", "tripled"):
            sagemaker.create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"})
        request = {
            "Name": "test",
            "Type": "ShadowMode",
            "RoleArn": ROLE,
            "EndpointName": "e",
            "ModelVariants": [described("AllTraffic", "model"), described("Dark", "tripled")],
            "ShadowModeConfig": mode(),
            **{member: value for member, value in changes.items() if member != "EndsIn"},
        }
        if "EndsIn" in changes:
            request["Schedule"] = {"EndTime": time.time() + changes["EndsIn"]}
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            sagemaker.create_inference_experiment(**request)
