"""Serverless endpoints in real containers: they sleep, wake with a call, grow with concurrency. Feature rows K03, N09, P03."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import WORLD
from support.serving import SKLEARN, Rig, archive

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.features.hosting import serverless
from sagewright.front import serverless as gates
from sagewright.signals import metrics
from sagewright.wire.errors import Fault

SIZE = {"MemorySizeInMB": 2048, "MaxConcurrency": 3}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fronts tell at once what they need, and routes change just before a container ends."""
    monkeypatch.setattr(gates, "PERIOD", 0.05)
    monkeypatch.setattr(serverless, "LULL_SECONDS", 0.05)


def configured(rig: Rig, name: str = "config", model: str = "model", **size: int) -> None:
    rig.config(name, {"VariantName": "v", "ModelName": model, "ServerlessConfig": {**SIZE, **size}})


def running(rig: Rig) -> int:
    """Containers; by their folders' depth, because what is below them comes and goes meanwhile."""
    return sum(not file.with_name("exit.json").exists() for file in rig.jobs.glob("endpoint/*/*/e/*/*/started.json"))


def asleep(rig: Rig) -> None:
    rig.until(lambda: rig.hosting.publisher.entry(WORLD, "e"), lambda entry: not entry["variants"][0]["replicas"])
    rig.until(lambda: running(rig), lambda count: count == 0)


def predicted(rig: Rig) -> float:
    return float(rig.invoke(b"5,1").body)


@pytest.mark.parametrize("twice", [False, True])
def test_it_sleeps_and_wakes_with_the_next_call(tmp_path: Path, runtime: Runtime, twice: bool) -> None:
    """K03: zero processes when idle, back with a call; ModelSetupTime; every action of the controller may run twice."""
    with Rig(tmp_path, runtime, twice=twice, serverless_idle=0.5) as rig:
        rig.model()
        configured(rig)
        found = rig.endpoint()
        assert found["EndpointStatus"] == "InService", found.get("FailureReason")
        (shown,) = found["ProductionVariants"]
        assert shown["CurrentServerlessConfig"] == shown["DesiredServerlessConfig"] == SIZE
        assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (0, 0)
        for _ in range(2):
            asleep(rig)
            assert predicted(rig) == pytest.approx(5.0, abs=0.3)
            assert running(rig) == 1
        store = rig.harness.parts.store
        where = {"EndpointName": "e", "VariantName": "v"}
        setups = rig.until(
            lambda: rig.harness.run(
                store.read(lambda found: metrics.values(found, WORLD, "AWS/SageMaker", "ModelSetupTime", where))
            ),
            lambda values: len(values) == 2,
        )
        assert all(0 < value < 10e6 for value in setups)
        asleep(rig)
        rig.restart()
        assert predicted(rig) == pytest.approx(5.0, abs=0.3)
        rig.sagemaker.delete_endpoint(EndpointName="e")
        rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda listed: not listed)
        assert rig.run_folders() == []


SLOW = b"""
import time
def model_fn(folder): return None
def input_fn(body, content_type): return float(body)
def predict_fn(seconds, model):
    time.sleep(seconds)
    return seconds
def output_fn(seconds, accept): return str(seconds), "text/plain"
"""


def test_containers_come_with_concurrency_and_calls_beyond_it_are_refused(tmp_path: Path, runtime: Runtime) -> None:
    """K03: one request at a time in a container, MaxConcurrency of them, then ThrottlingException."""
    with Rig(tmp_path, runtime) as rig:
        rig.objects.put("s3://bucket/slow.tar.gz", archive({"code/inference.py": SLOW}))
        rig.model(image=SKLEARN, url="s3://bucket/slow.tar.gz", SAGEMAKER_PROGRAM="inference.py")
        configured(rig)
        assert rig.endpoint()["EndpointStatus"] == "InService"
        answers: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: answers.append(rig.invoke(b"1.0", content_type="text/plain").body))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        rig.until(lambda: refusal(rig), lambda code: code == "ThrottlingException")
        for thread in threads:
            thread.join()
        assert answers == [b"1.0"] * 3
        rig.until(lambda: running(rig), lambda count: count == 3)
        assert rig.invoke(b"0", content_type="text/plain").body == b"0.0"


def refusal(rig: Rig) -> str:
    """The code with which a call is refused now, or nothing."""
    try:
        rig.invoke(b"0", content_type="text/plain")
    except Fault as fault:
        return fault.code
    return ""


def test_provisioned_containers_stay(tmp_path: Path, runtime: Runtime) -> None:
    """API UpdateEndpointWeightsAndCapacities, ServerlessUpdateConfig."""
    with Rig(tmp_path, runtime, serverless_idle=0.3) as rig:
        rig.model()
        configured(rig, ProvisionedConcurrency=2)
        assert rig.endpoint()["EndpointStatus"] == "InService"
        assert running(rig) == 2
        resize(rig, MaxConcurrency=5, ProvisionedConcurrency=1)
        found = rig.settled()
        assert found["ProductionVariants"][0]["CurrentServerlessConfig"] == {
            "MemorySizeInMB": 2048,
            "MaxConcurrency": 5,
            "ProvisionedConcurrency": 1,
        }
        rig.until(lambda: running(rig), lambda count: count == 1)
        time.sleep(0.5)
        assert running(rig) == 1
        assert predicted(rig) == pytest.approx(5.0, abs=0.3)
        with pytest.raises(botocore.exceptions.ClientError, match="less than or equal to MaxConcurrency"):
            resize(rig, ProvisionedConcurrency=6)
        with pytest.raises(botocore.exceptions.ClientError, match="DesiredInstanceCount cannot be specified"):
            resize(rig, DesiredInstanceCount=1, MaxConcurrency=6)


def resize(rig: Rig, **changes: int) -> None:
    wish: dict[str, Any] = {"VariantName": "v"}
    if "DesiredInstanceCount" in changes:
        wish["DesiredInstanceCount"] = changes.pop("DesiredInstanceCount")
    rig.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="e", DesiredWeightsAndCapacities=[{**wish, "ServerlessUpdateConfig": changes}]
    )


def test_a_container_that_is_killed_is_no_call_lost(tmp_path: Path, runtime: Runtime) -> None:
    with Rig(tmp_path, runtime) as rig:
        rig.model()
        configured(rig)
        assert rig.endpoint()["EndpointStatus"] == "InService"
        runtime.signal(rig.run_folders()[0], 9)
        rig.until(lambda: running(rig), lambda count: count == 0)
        assert predicted(rig) == pytest.approx(5.0, abs=0.3)


def test_an_endpoint_can_leave_serverless_and_not_come_back(tmp_path: Path, runtime: Runtime) -> None:
    """DG serverless-endpoints-update."""
    with Rig(tmp_path, runtime) as rig:
        rig.model()
        configured(rig)
        rig.config("instances")
        assert rig.endpoint()["EndpointStatus"] == "InService"
        rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="instances")
        found = rig.settled()
        assert found["EndpointConfigName"] == "instances"
        assert "CurrentServerlessConfig" not in found["ProductionVariants"][0]
        assert predicted(rig) == pytest.approx(5.0, abs=0.3)
        with pytest.raises(botocore.exceptions.ClientError, match="to a serverless endpoint"):
            rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="config")


def test_payloads_and_ways_that_serverless_does_not_take(tmp_path: Path, runtime: Runtime) -> None:
    with Rig(tmp_path, runtime) as rig:
        rig.model()
        configured(rig)
        assert rig.endpoint()["EndpointStatus"] == "InService"
        with pytest.raises(Fault, match="serverless endpoints accept 4194304") as caught:
            rig.invoke(b"1" * (4 * 1024 * 1024 + 1))
        assert caught.value.status == 413
        with pytest.raises(Fault, match="does not support response streaming"):
            rig.invoke(b"5,1", action="invocations-response-stream")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}, "MemorySizeInMB 1500 is not supported"),
        ({"ServerlessConfig": {**SIZE, "ProvisionedConcurrency": 4}}, "less than or equal to MaxConcurrency"),
        ({"InstanceType": "ml.m5.large"}, "InstanceType cannot be specified"),
        ({"InitialInstanceCount": 1}, "InitialInstanceCount cannot be specified"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "ManagedInstanceScaling cannot be specified"),
    ],
)
def test_variants_that_are_refused(tmp_path: Path, runtime: Runtime, changes: dict[str, Any], words: str) -> None:
    with Rig(tmp_path, runtime) as rig:
        rig.model()
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            rig.config("c", {"VariantName": "v", "ModelName": "model", "ServerlessConfig": SIZE, **changes})


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("DataCaptureConfig", {"EnableCapture": True, "InitialSamplingPercentage": 1, "DestinationS3Uri": "s3://b/c",
                               "CaptureOptions": [{"CaptureMode": "Input"}]}, "data capture"),
        ("AsyncInferenceConfig", {"OutputConfig": {"S3OutputPath": "s3://b/c"}}, "asynchronous inference"),
        ("VpcConfig", {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}, "VPC configuration"),
        ("EnableNetworkIsolation", True, "network isolation"),
    ],
)  # fmt: skip
def test_what_a_serverless_configuration_may_not_have(
    tmp_path: Path, runtime: Runtime, member: str, value: Any, words: str
) -> None:
    """DG serverless-endpoints, feature exclusions."""
    with Rig(tmp_path, runtime) as rig:
        rig.model()
        variant = {"VariantName": "v", "ModelName": "model", "ServerlessConfig": SIZE}
        more = {} if member == "EnableNetworkIsolation" else {"ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"}
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            rig.sagemaker.create_endpoint_config(
                EndpointConfigName="c", ProductionVariants=[variant], **{member: value}, **more
            )
        second = {**variant, "VariantName": "w"}
        with pytest.raises(botocore.exceptions.ClientError, match="multiple production variants"):
            rig.sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant, second])


def test_a_model_that_needs_a_server_fails_with_a_reason(tmp_path: Path, runtime: Runtime) -> None:
    with Rig(tmp_path, runtime) as rig:
        rig.model(isolated=True)
        configured(rig)
        found = rig.endpoint()
        assert found["EndpointStatus"] == "Failed"
        assert "do not support network isolation" in found["FailureReason"]
