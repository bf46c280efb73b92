"""MetricsConfig in real containers: from CreateEndpointConfig to the metrics of each instance and container.

DG monitoring-cloudwatch-enhanced-metrics; feature rows K18 and K06."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import ROLE, WORLD
from support.serving import Rig, variant

from sagewright.base.clock import SystemClock
from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.serving.usage import COMPONENTS, EARLY_SECONDS, ENDPOINTS
from sagewright.signals import metrics
from sagewright.signals.metrics import Metric

ENHANCED = {"EnableEnhancedMetrics": True}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, runtime: Runtime, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Every look at a replica measures what it uses."""
    with Rig(tmp_path, runtime, twice=request.param, metrics_seconds=EARLY_SECONDS) as made:
        made.model()
        yield made


def find(rig: Rig, namespace: str, name: str, dimension: str) -> list[Metric]:
    """The metrics that have the dimension."""
    read = rig.harness.parts.store.read
    wanted = {"namespace": namespace, "name": name, "dimensions": [(dimension, None)]}
    return rig.harness.run(read(lambda transaction: metrics.find(transaction, WORLD, **wanted)))[0]


def told(rig: Rig) -> None:
    """As the front does it once a second."""
    body = rig.counters.drain(SystemClock().now())
    assert body is not None
    rig.harness.run(rig.hosting.record_invocations(body))


def used(rig: Rig, kind: str, key: str, namespace: str, name: str, dimension: str) -> list[Metric]:
    """The metrics of use, as soon as both replicas have them."""

    async def look() -> None:
        rig.loop.hint((WORLD, kind, key))

    def found() -> list[Metric]:
        rig.harness.run(look())
        return find(rig, namespace, name, dimension)

    return rig.until(found, lambda listed: len(listed) == 2)  # type: ignore[no-any-return]


def configure(rig: Rig, name: str, hosted: dict[str, Any], **config: Any) -> None:
    rig.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[hosted], ExecutionRoleArn=ROLE, **config)


def test_each_instance_has_metrics_until_an_update_turns_them_off(rig: Rig) -> None:
    """Its InstanceId is that of its log stream; both descriptions tell the configuration."""
    configure(rig, "config", variant(count=2), MetricsConfig=ENHANCED)
    found = rig.endpoint()
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    assert found["MetricsConfig"] == ENHANCED
    assert rig.sagemaker.describe_endpoint_config(EndpointConfigName="config")["MetricsConfig"] == ENHANCED
    instances = {stream.partition("/")[2] for stream in rig.streams("/aws/sagemaker/Endpoints/e")}
    assert len(instances) == 2
    for _ in range(4):
        rig.invoke(b"3,1")
    told(rig)
    counted = find(rig, "AWS/SageMaker", "Invocations", "InstanceId")
    assert {metric.dimensions["InstanceId"] for metric in counted} == instances
    assert {frozenset(metric.dimensions) for metric in counted} == {frozenset({"EndpointName", "VariantName", "InstanceId"})}
    measured = used(rig, "Endpoint", "e", ENDPOINTS, "CPUUtilization", "InstanceId")
    assert {metric.dimensions["InstanceId"] for metric in measured} == instances

    rig.restart()
    rig.invoke(b"3,1")
    configure(rig, "plain", variant())
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="plain")
    assert "MetricsConfig" not in rig.until(rig.settled, lambda seen: seen["EndpointConfigName"] == "plain")
    rig.counters.drain(0.0)
    rig.invoke(b"3,1")
    told(rig)
    assert find(rig, "AWS/SageMaker", "Invocations", "InstanceId") == counted, "nothing has come since"


def test_each_container_of_a_component_has_metrics(rig: Rig) -> None:
    """InstanceId and ContainerId in both namespaces, beside the metrics of the component."""
    host = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    configure(rig, "config", host, MetricsConfig=ENHANCED)
    assert rig.endpoint()["EndpointStatus"] == "InService"
    rig.sagemaker.create_inference_component(
        InferenceComponentName="c",
        EndpointName="e",
        VariantName="AllTraffic",
        Specification={
            "ModelName": "model",
            "ComputeResourceRequirements": {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 1024},
        },
        RuntimeConfig={"CopyCount": 2},
    )
    rig.until(
        lambda: rig.sagemaker.describe_inference_component(InferenceComponentName="c"),
        lambda seen: seen["InferenceComponentStatus"] == "InService",
    )
    for _ in range(4):
        rig.invoke(b"3,1", x_amzn_sagemaker_inference_component="c")
    told(rig)
    everything = {"EndpointName", "VariantName", "InferenceComponentName", "InstanceId", "ContainerId"}
    counted = find(rig, "AWS/SageMaker", "ModelLatency", "ContainerId")
    assert [set(metric.dimensions) for metric in counted] == [everything, everything]
    names = {"CPUUtilizationNormalized", "MemoryUtilizationNormalized"}
    for name in names:
        measured = used(rig, "InferenceComponent", "c", COMPONENTS, name, "ContainerId")
        assert sorted(str(metric.dimensions) for metric in measured) == sorted(str(metric.dimensions) for metric in counted)
        assert {"InferenceComponentName": "c"} in [
            metric.dimensions for metric in find(rig, COMPONENTS, name, "InferenceComponentName")
        ]
    streams = rig.streams("/aws/sagemaker/InferenceComponents/c")
    assert {stream.partition("/")[2] for stream in streams} == {metric.dimensions["InstanceId"] for metric in counted}
