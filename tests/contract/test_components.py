"""Inference components in real containers; only S3 is a stand-in. Feature K06; API CreateInferenceComponent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import orjson
import pytest
from harness import ROLE
from support.serving import XGBOOST, Rig, archive, xgboost_model

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.wire.errors import Fault

REQUIREMENTS = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 1024}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def rig(tmp_path: Path, runtime: Runtime, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """An endpoint with one ml.m5.large: 2 vCPUs, 8 GiB. Every action is done twice unless the test says otherwise."""
    with Rig(tmp_path, runtime, twice=getattr(request, "param", True)) as made:
        made.objects.put("s3://bucket/tripled.tar.gz", archive({"xgboost-model": xgboost_model(3.0)}))
        made.model()
        host = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        made.sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[host], ExecutionRoleArn=ROLE)
        found = made.endpoint()
        assert found["EndpointStatus"] == "InService", found.get("FailureReason")
        assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        yield made


def create(rig: Rig, name: str = "c", copies: int = 1, **specification: Any) -> None:
    rig.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName="e",
        VariantName="AllTraffic",
        Specification={"ModelName": "model", "ComputeResourceRequirements": REQUIREMENTS, **specification},
        RuntimeConfig={"CopyCount": copies},
    )


def describe(rig: Rig, name: str = "c") -> dict[str, Any]:
    return dict(rig.sagemaker.describe_inference_component(InferenceComponentName=name))


def settled(rig: Rig, name: str = "c") -> dict[str, Any]:
    found: dict[str, Any] = rig.until(
        lambda: describe(rig, name), lambda seen: seen["InferenceComponentStatus"] in ("InService", "Failed")
    )
    return found


def resize(rig: Rig, copies: int, name: str = "c") -> None:
    rig.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies}
    )


def asked(rig: Rig, component: str, body: bytes = b"3,1") -> float:
    return float(rig.invoke(body, x_amzn_sagemaker_inference_component=component).body)


@pytest.mark.parametrize("rig", [False, True], indirect=True, ids=["once", "twice"])
def test_components_share_an_endpoint(rig: Rig) -> None:
    """By a model and by a container of its own; each answers by its name, has a log and is counted."""
    create(rig)
    container = {"Image": XGBOOST, "ArtifactUrl": "s3://bucket/tripled.tar.gz"}
    rig.sagemaker.create_inference_component(
        InferenceComponentName="own",
        EndpointName="e",
        VariantName="AllTraffic",
        Specification={"Container": container, "ComputeResourceRequirements": REQUIREMENTS},
        RuntimeConfig={"CopyCount": 1},
    )
    for name in ("c", "own"):
        found = settled(rig, name)
        assert found["InferenceComponentStatus"] == "InService", found.get("FailureReason")
        assert found["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}
        assert found["EndpointArn"].endswith(":endpoint/e")
    assert describe(rig, "own")["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == XGBOOST
    assert describe(rig, "c")["Specification"]["ModelName"] == "model"
    assert asked(rig, "c") == pytest.approx(3.0, abs=0.4)
    assert asked(rig, "own") == pytest.approx(9.0, abs=0.4)
    (stream,) = rig.streams("/aws/sagemaker/InferenceComponents/own")
    assert stream.startswith("AllTraffic/i-")
    samples = orjson.loads(rig.counters.drain(0.0) or b"{}")["samples"]
    assert {(each["name"], each["dimensions"]["InferenceComponentName"]) for each in samples} >= {
        ("Invocations", "c"),
        ("ModelLatency", "own"),
        ("ConcurrentRequestsPerCopy", "own"),
    }
    listed = rig.sagemaker.list_inference_components(EndpointNameEquals="e", SortBy="Name", SortOrder="Ascending")
    assert [each["InferenceComponentName"] for each in listed["InferenceComponents"]] == ["c", "own"]
    assert not rig.sagemaker.list_inference_components(EndpointNameEquals="other")["InferenceComponents"]
    rig.restart()
    assert asked(rig, "own") == pytest.approx(9.0, abs=0.4)
    with pytest.raises(botocore.exceptions.ClientError, match="while it hosts inference components"):
        rig.sagemaker.delete_endpoint(EndpointName="e")
    for name in ("c", "own"):
        rig.sagemaker.delete_inference_component(InferenceComponentName=name)
    rig.until(lambda: rig.sagemaker.list_inference_components()["InferenceComponents"], lambda left: not left)
    assert not list(rig.jobs.glob("inference-component/*/*/*"))
    with pytest.raises(botocore.exceptions.ClientError, match="Could not find inference component"):
        describe(rig)
    rig.sagemaker.delete_endpoint(EndpointName="e")
    rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda left: not left)


def test_copies_grow_shrink_and_go_to_zero(rig: Rig) -> None:
    """DG endpoint-auto-scaling-zero-instances: the words of a component without copies."""
    create(rig)
    settled(rig)
    resize(rig, 2)
    assert settled(rig)["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert len(rig.run_folders()) == 2
    resize(rig, 0)
    assert settled(rig)["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    with pytest.raises(Fault, match="Inference Component has no capacity to process this request") as caught:
        asked(rig, "c")
    assert caught.value.code == "ValidationError"
    samples = orjson.loads(rig.counters.drain(0.0) or b"{}")["samples"]
    assert [each["name"] for each in samples] == ["NoCapacityInvocationFailures"]
    resize(rig, 1)
    settled(rig)
    assert asked(rig, "c") == pytest.approx(3.0, abs=0.4)


def test_what_has_no_room_waits_and_says_so(rig: Rig) -> None:
    """Two vCPUs are two copies of one core each; the third comes when the variant has another instance."""
    create(rig, copies=2)
    settled(rig)
    create(rig, "late")
    found = rig.until(lambda: describe(rig, "late"), lambda seen: seen.get("FailureReason"))
    assert found["InferenceComponentStatus"] == "Creating"
    assert found["FailureReason"].startswith("Waiting for capacity: 0 of 1 copies")
    wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wish)
    found = settled(rig, "late")
    assert (found["InferenceComponentStatus"], found.get("FailureReason")) == ("InService", None)


@pytest.mark.slow
def test_a_copy_that_the_machine_has_no_memory_for_waits(rig: Rig) -> None:
    """K14: shown in FailureReason, as where the instances have no room."""
    rig.free = 0
    create(rig)
    found = rig.until(lambda: describe(rig), lambda seen: seen.get("FailureReason"))
    assert found["InferenceComponentStatus"] == "Creating"
    assert found["FailureReason"].startswith("Waiting for capacity: this machine")
    rig.free = 8 * 1024**3
    found = settled(rig)
    assert (found["InferenceComponentStatus"], found.get("FailureReason")) == ("InService", None)


def test_an_update_changes_the_model_without_a_gap_and_a_bad_one_changes_nothing(rig: Rig) -> None:
    create(rig)
    settled(rig)
    rig.model("tripled", url="s3://bucket/tripled.tar.gz")
    rig.model("lost", url="s3://bucket/lost.tar.gz")
    for model, expected in (("tripled", 9.0), ("lost", 9.0)):
        specification = {"ModelName": model, "ComputeResourceRequirements": REQUIREMENTS}
        rig.sagemaker.update_inference_component(InferenceComponentName="c", Specification=specification)
        with pytest.raises(botocore.exceptions.ClientError, match="Cannot update in-progress inference component"):
            resize(rig, 2)
        found = settled(rig)
        assert found["InferenceComponentStatus"] == "InService"
        assert asked(rig, "c") == pytest.approx(expected, abs=0.4)
    assert "Failed to download model data" in found["FailureReason"]


def test_a_specification_for_each_instance_type(rig: Rig) -> None:
    """API CreateInferenceComponent, Specifications: the one for the variant's instances is deployed."""
    rig.model("tripled", url="s3://bucket/tripled.tar.gz")

    def made(name: str, *specifications: dict[str, Any], **more: Any) -> None:
        rig.sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="e",
            VariantName="AllTraffic",
            Specifications=[{"ComputeResourceRequirements": REQUIREMENTS, **each} for each in specifications],
            RuntimeConfig={"CopyCount": 1},
            **more,
        )

    here, elsewhere = {"InstanceType": "ml.m5.large"}, {"InstanceType": "ml.c5.xlarge"}
    made("typed", {**elsewhere, "ModelName": "model"}, {**here, "ModelName": "tripled"})
    found = settled(rig, "typed")
    assert found["InferenceComponentStatus"] == "InService", found
    assert [each["ModelName"] for each in found["Specifications"]] == ["tripled", "model"]
    assert asked(rig, "typed") == pytest.approx(9.0, abs=0.4)
    made("homeless", {**elsewhere, "ModelName": "model"})
    assert "no specification for the instance type ml.m5.large" in settled(rig, "homeless")["FailureReason"]
    wrong: dict[str, dict[str, Any]] = {
        "InstanceType of its own": {"Specifications": [{"ModelName": "model"}]},
        "and not both": {"Specification": {"ModelName": "model"}},
    }
    for words, more in wrong.items():
        given = {"Specifications": [{**here, "ModelName": "model"}], **more}
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            rig.sagemaker.create_inference_component(
                InferenceComponentName="wrong", EndpointName="e", RuntimeConfig={"CopyCount": 1}, **given
            )
    with pytest.raises(botocore.exceptions.ClientError, match="is updated so"):
        rig.sagemaker.update_inference_component(InferenceComponentName="typed", Specification={"ModelName": "model"})


def test_an_update_in_batches_and_its_alarm(rig: Rig) -> None:
    """API InferenceComponentDeploymentConfig: an alarm in the bake brings the old model back; Describe shows the policy."""
    create(rig, copies=2, ComputeResourceRequirements={"MinMemoryRequiredInMb": 512})
    assert settled(rig)["InferenceComponentStatus"] == "InService"
    rig.model("tripled", url="s3://bucket/tripled.tar.gz")
    config = {
        "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 3600},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "high"}]},
    }
    changed = {"ModelName": "tripled", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 512}}

    def update(**deployment: Any) -> None:
        rig.sagemaker.update_inference_component(
            InferenceComponentName="c", Specification=changed, DeploymentConfig={**config, **deployment}
        )

    with pytest.raises(botocore.exceptions.ClientError, match="Could not find the CloudWatch alarm"):
        update()
    rig.alarms["high"] = "OK"
    update()
    rig.until(lambda: {round(asked(rig, "c")) for _ in range(6)}, lambda answers: answers == {3, 9})
    rig.restart()
    assert describe(rig)["InferenceComponentStatus"] == "Updating"
    rig.alarms["high"] = "ALARM"
    found = settled(rig)
    assert (found["InferenceComponentStatus"], found["Specification"]["ModelName"]) == ("InService", "model")
    assert "state ALARM: high" in found["FailureReason"]
    assert found["LastDeploymentConfig"] == config
    assert {round(asked(rig, "c")) for _ in range(6)} == {3}
    rig.alarms["high"] = "OK"
    update(RollingUpdatePolicy={**config["RollingUpdatePolicy"], "WaitIntervalInSeconds": 0})
    found = settled(rig)
    assert (found["Specification"]["ModelName"], found.get("FailureReason")) == ("tripled", None)
    assert {round(asked(rig, "c")) for _ in range(6)} == {9}


def test_requests_that_name_no_component(rig: Rig) -> None:
    """Wording of the first seen in published issues."""
    with pytest.raises(Fault, match="Inference Component Name header is required for endpoints") as caught:
        rig.invoke(b"3,1")
    assert caught.value.code == "ValidationError"
    with pytest.raises(Fault, match="Inference Component none of endpoint e not found"):
        asked(rig, "none")
    rig.config("plain")
    rig.endpoint("plain", "plain")
    with pytest.raises(Fault, match="Endpoint plain has no inference components"):
        rig.invoke(b"3,1", name="plain", x_amzn_sagemaker_inference_component="c")


def test_what_is_refused(rig: Rig) -> None:
    """At once where the request says so, else as a failure with a reason."""
    for changes, words in (
        ({"BaseInferenceComponentName": "c"}, "ModelName, ComputeResourceRequirements cannot be specified for an adapter"),
        ({"ModelName": "none"}, "Could not find model"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
            create(rig, **changes)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    create(rig, "large", ComputeResourceRequirements={"MinMemoryRequiredInMb": 100_000})
    assert "exceed what an instance of type ml.m5.large has" in settled(rig, "large")["FailureReason"]
    rig.config("plain")
    rig.endpoint("plain", "plain")
    rig.sagemaker.create_inference_component(
        InferenceComponentName="homeless",
        EndpointName="plain",
        VariantName="AllTraffic",
        Specification={"ModelName": "model", "ComputeResourceRequirements": REQUIREMENTS},
        RuntimeConfig={"CopyCount": 1},
    )
    assert "must not name a model" in settled(rig, "homeless")["FailureReason"]


CACHED = {"DataCacheConfig": {"EnableCaching": True}}
OWN = {"Container": {"Image": XGBOOST, "ArtifactUrl": "s3://bucket/own.tar.gz"}}


def create_own(rig: Rig, name: str = "c", **specification: Any) -> None:
    """Of a container and an archive that may go away."""
    rig.objects.put("s3://bucket/own.tar.gz", archive({"xgboost-model": xgboost_model()}))
    rig.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName="e",
        VariantName="AllTraffic",
        Specification={**OWN, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 512}, **specification},
        RuntimeConfig={"CopyCount": 1},
    )


def kept_models(rig: Rig) -> list[str]:
    return sorted(str(found.relative_to(rig.jobs)).split("/", 3)[3] for found in rig.jobs.glob("*/*/*/*/.cache/*"))


def test_a_cached_model_is_fetched_once_for_all_copies(rig: Rig) -> None:
    """API InferenceComponentDataCacheConfig: also after a restart of the server and after no copies at all; it goes with the component."""
    create_own(rig, **CACHED)
    assert settled(rig)["Specification"]["DataCacheConfig"] == {"EnableCaching": True}
    del rig.objects.buckets["bucket"]["own.tar.gz"]
    resize(rig, 3)
    assert settled(rig)["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}
    resize(rig, 0)
    settled(rig)
    rig.restart()
    resize(rig, 1)
    assert settled(rig)["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}
    assert asked(rig, "c") == pytest.approx(3.0, abs=0.4)
    assert rig.objects.downloads.count("own.tar.gz") == 1
    assert kept_models(rig) == ["c/.cache/1"]
    (cache,) = rig.jobs.glob("inference-component/*/*/c/.cache")
    (cache / ".removing-1").mkdir()  # of a removal that was cut off
    rig.sagemaker.delete_inference_component(InferenceComponentName="c")
    rig.until(lambda: rig.sagemaker.list_inference_components()["InferenceComponents"], lambda left: not left)
    assert not list(rig.jobs.glob("inference-component/*/*/*"))


@pytest.mark.slow
def test_each_container_of_a_cached_model_has_its_own(rig: Rig) -> None:
    """A pipeline as a component: both archives are fetched once."""
    urls = ("s3://bucket/own.tar.gz", "s3://bucket/tripled.tar.gz")
    rig.objects.put(urls[0], archive({"xgboost-model": xgboost_model()}))
    containers = [{"Image": XGBOOST, "ModelDataUrl": url} for url in urls]
    rig.sagemaker.create_model(ModelName="two", ExecutionRoleArn=ROLE, Containers=containers)
    create(rig, ModelName="two", ComputeResourceRequirements={"MinMemoryRequiredInMb": 512}, **CACHED)
    settled(rig)
    rig.objects.buckets["bucket"].clear()
    resize(rig, 2)
    assert settled(rig)["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert sorted(path.name for path in rig.jobs.glob("*/*/*/c/.cache/1/*")) == ["container-1", "container-2"]
    assert [rig.objects.downloads.count(url.rpartition("/")[2]) for url in urls] == [1, 1]


def test_without_caching_every_copy_fetches(rig: Rig) -> None:
    create_own(rig, DataCacheConfig={"EnableCaching": False})
    settled(rig)
    del rig.objects.buckets["bucket"]["own.tar.gz"]
    resize(rig, 2)
    found = rig.until(lambda: describe(rig), lambda seen: seen.get("FailureReason"))
    assert (
        'Failed to download model data for container "container_1" from URL: "s3://bucket/own.tar.gz"' in found["FailureReason"]
    )
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 1}
    assert rig.objects.downloads.count("own.tar.gz") >= 2
    assert not kept_models(rig)


def test_an_update_never_serves_a_model_of_before(rig: Rig) -> None:
    """A new object at the same address, by the same specification; an archive that is not there changes nothing."""
    create_own(rig, **CACHED)
    settled(rig)
    same = {**OWN, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 512}, **CACHED}
    rig.objects.put("s3://bucket/own.tar.gz", archive({"xgboost-model": xgboost_model(3.0)}))
    rig.sagemaker.update_inference_component(InferenceComponentName="c", Specification=same)
    settled(rig)
    assert asked(rig, "c") == pytest.approx(9.0, abs=0.4)
    rig.until(lambda: kept_models(rig), lambda found: found == ["c/.cache/2"])
    del rig.objects.buckets["bucket"]["own.tar.gz"]
    rig.sagemaker.update_inference_component(InferenceComponentName="c", Specification=same)
    assert "Failed to download model data" in settled(rig)["FailureReason"]
    assert asked(rig, "c") == pytest.approx(9.0, abs=0.4)
    assert kept_models(rig) == ["c/.cache/2"]


def host(rig: Rig, name: str, lowest: int, highest: int, **more: Any) -> None:
    """An endpoint configuration whose instances are managed."""
    managed = {"Status": "ENABLED", "MinInstanceCount": lowest, "MaxInstanceCount": highest}
    given = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    rig.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{**given, "ManagedInstanceScaling": managed, **more}],
        ExecutionRoleArn=ROLE,
    )


@pytest.mark.slow
def test_instances_follow_the_copies(rig: Rig) -> None:
    """Managed instance scaling: from none to two and back, within bounds (DG endpoint-auto-scaling-zero-instances)."""
    host(rig, "managed", 0, 2)
    rig.endpoint("m", "managed")

    def instances() -> int:
        return int(rig.describe("m")["ProductionVariants"][0]["CurrentInstanceCount"])

    rig.until(instances, lambda count: count == 0)
    shown = rig.describe("m")["ProductionVariants"][0]["ManagedInstanceScaling"]
    assert shown == {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    rig.sagemaker.create_inference_component(
        InferenceComponentName="c",
        EndpointName="m",
        VariantName="AllTraffic",
        Specification={"ModelName": "model", "ComputeResourceRequirements": REQUIREMENTS, **CACHED},
        RuntimeConfig={"CopyCount": 3},
    )
    found = rig.until(lambda: describe(rig), lambda seen: seen["InferenceComponentStatus"] in ("InService", "Failed"), 60)
    assert found["InferenceComponentStatus"] == "InService", found.get("FailureReason")
    rig.until(instances, lambda count: count == 2)
    assert float(rig.invoke(b"3,1", "m", x_amzn_sagemaker_inference_component="c").body) == pytest.approx(3.0, abs=0.4)
    wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]
    with pytest.raises(botocore.exceptions.ClientError, match="are managed"):
        rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="m", DesiredWeightsAndCapacities=wish)
    assert kept_models(rig) == ["c/.cache/1"]
    resize(rig, 0)
    rig.until(instances, lambda count: count == 0)
    rig.until(lambda: kept_models(rig), lambda found: not found, 90)


@pytest.mark.parametrize("wrong", [{"ModelName": "model"}, {"lowest": 3}, {"highest": 99}, {"policy": True}])
def test_managed_instances_that_cannot_be(rig: Rig, wrong: dict[str, Any]) -> None:
    managed: dict[str, Any] = {"Status": "ENABLED", "MinInstanceCount": wrong.pop("lowest", 1)}
    managed["MaxInstanceCount"] = wrong.pop("highest", 2)
    if wrong.pop("policy", False):
        managed["ScaleInPolicy"] = {"Strategy": "IDLE_RELEASE"}
    with pytest.raises(botocore.exceptions.ClientError):
        host(rig, "wrong", 1, 2, ManagedInstanceScaling=managed, **wrong)
