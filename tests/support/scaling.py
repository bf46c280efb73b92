"""CloudWatch and Application Auto Scaling in this process on a clock of the test's; the endpoints that are scaled are a stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from harness import Harness, Parts

from sagewright.base.clock import VirtualClock
from sagewright.compute.oci.layout import Layout
from sagewright.kernel.loop import Loop
from sagewright.kernel.operation import Context
from sagewright.neighbours.autoscaling.autoscaling import Autoscaling
from sagewright.neighbours.services import announce, controllers, neighbours
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault, validation

START = 1_800_000_000.0
RESOURCE = "endpoint/e/variant/v"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@dataclass
class Endpoints:
    """One endpoint ``e`` with one variant ``v``, and one inference component ``c``, all of one capacity: a change takes until ``settle``. ``asked`` is every capacity that was asked for."""

    desired: int = 1
    current: int = 1
    there: bool = True
    asynchronous: bool = False
    refusal: Fault | None = None
    asked: list[int] = field(default_factory=list)

    async def describe(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        if not self.there or request["EndpointName"] != "e":
            raise validation(f'Could not find endpoint "{request["EndpointName"]}".')
        variant = {
            "VariantName": "v",
            "CurrentInstanceCount": self.current,
            "DesiredInstanceCount": self.desired,
            "CurrentServerlessConfig": _serverless(self.current),
            "DesiredServerlessConfig": _serverless(self.desired),
        }
        answer: dict[str, Any] = {
            "EndpointName": "e",
            "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
            "EndpointStatus": "InService" if self.current == self.desired else "Updating",
            "ProductionVariants": [variant],
            "CreationTime": START,
            "LastModifiedTime": START,
        }
        return {**answer, "AsyncInferenceConfig": {"OutputConfig": {}}} if self.asynchronous else answer

    async def resize(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        (wish,) = request["DesiredWeightsAndCapacities"]
        wished = wish.get("ServerlessUpdateConfig", {}).get("ProvisionedConcurrency")
        self.desired = wish["DesiredInstanceCount"] if wished is None else wished
        self.asked.append(self.desired)
        return {"EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"}

    async def describe_component(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        if request["InferenceComponentName"] != "c":
            raise validation(f'Could not find inference component "{request["InferenceComponentName"]}".')
        return {
            "InferenceComponentName": "c",
            "InferenceComponentArn": "arn:aws:sagemaker:us-east-1:123456789012:inference-component/c",
            "EndpointName": "e",
            "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
            "InferenceComponentStatus": "InService" if self.current == self.desired else "Updating",
            "RuntimeConfig": {"DesiredCopyCount": self.desired, "CurrentCopyCount": self.current},
            "CreationTime": START,
            "LastModifiedTime": START,
        }

    async def resize_component(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        self.desired = request["DesiredRuntimeConfig"]["CopyCount"]
        self.asked.append(self.desired)
        return {"InferenceComponentArn": "arn:aws:sagemaker:us-east-1:123456789012:inference-component/c"}

    def settle(self) -> None:
        self.current = self.desired


def _serverless(concurrency: int) -> dict[str, int]:
    return {"MemorySizeInMB": 1024, "MaxConcurrency": 10, "ProvisionedConcurrency": concurrency}


class Scaling:
    """See the module docstring; a context. ``restart`` is a control that died and came back. ``twice`` performs every action twice."""

    def __init__(self, folder: Path, minute: int = 60, twice: bool = False) -> None:
        self.clock = VirtualClock(START)
        self.endpoints = Endpoints()
        self._folder = folder
        self._minute = minute
        self._twice = twice
        self.harness = Harness(self.clock, install=self._install)

    def __enter__(self) -> Scaling:
        self.harness.__enter__()
        self.harness.run(self.loop.start())
        self.cloudwatch = self.harness.client("cloudwatch")
        self.autoscaling = self.harness.client("application-autoscaling")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.harness.run(self.loop.close())
        self.harness.__exit__(kind, error, trace)

    def _install(self, parts: Parts) -> None:
        keyring = Keyring.open(self._folder / "credentials.json")
        found = dict(neighbours(parts.store, keyring, Layout(self._folder), "http://127.0.0.1:8400"))
        self._scaling = Autoscaling(parts.store, parts.client, self._minute)
        found["application-autoscaling"] = self._scaling.operations()
        for service, handlers in found.items():
            for name, handler in handlers.items():
                parts.operations.write(service, name, handler)
        parts.operations.write("sagemaker", "DescribeEndpoint", self.endpoints.describe)
        parts.operations.write("sagemaker", "UpdateEndpointWeightsAndCapacities", self.endpoints.resize)
        parts.operations.write("sagemaker", "DescribeInferenceComponent", self.endpoints.describe_component)
        parts.operations.write("sagemaker", "UpdateInferenceComponentRuntimeConfig", self.endpoints.resize_component)
        self._parts = parts
        self.loop = self._new_loop()

    def _new_loop(self) -> Loop:
        store = self._parts.store
        listener = announce(self._parts.engine.catalog)
        return Loop(
            store,
            [*controllers(store, lambda identity: self.loop.hint(identity)), *self._scaling.controllers],
            announce=listener,
            twice=self._twice,
        )

    def restart(self) -> None:
        self.harness.run(self.loop.close())
        self.loop = self._new_loop()
        self.harness.run(self.loop.start())
        self.idle()

    def idle(self) -> None:
        """Until nothing is due."""
        self.harness.run(self.loop.idle())

    def pass_time(self, seconds: float) -> None:
        """Moves the clock and waits for what is due."""
        self.clock.advance(seconds)
        self.idle()

    def measure(self, *values: float, metric: str = "Load", namespace: str = "Test", **dimensions: str) -> None:
        """One datapoint each, now."""
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        data = [{"MetricName": metric, "Value": value, "Timestamp": self.clock.now(), "Dimensions": named} for value in values]
        self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    def alarm(self, name: str = "high", **more: Any) -> None:
        """A metric alarm; a member that is None is left out."""
        given = {
            "AlarmName": name,
            "Namespace": "Test",
            "MetricName": "Load",
            "Statistic": "Average",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        self.cloudwatch.put_metric_alarm(**{key: value for key, value in {**given, **more}.items() if value is not None})
        self.idle()

    def state(self, name: str = "high") -> str:
        (found,) = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(found["StateValue"])

    def register(self, lowest: int = 1, highest: int = 4, **more: Any) -> str:
        """The target, whose ARN is answered."""
        answer = self.autoscaling.register_scalable_target(**TARGET, MinCapacity=lowest, MaxCapacity=highest, **more)
        self.idle()
        return str(answer["ScalableTargetARN"])

    def track(self, target: float = 60.0, name: str = "track", **more: Any) -> dict[str, Any]:
        """Target tracking of invocations per instance and minute."""
        config = {
            "TargetValue": target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            **more,
        }
        answer = self.autoscaling.put_scaling_policy(
            PolicyName=name, PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=config, **TARGET
        )
        self.idle()
        return dict(answer)

    def invoked(self, each: float) -> None:
        """That many invocations for each instance, now."""
        self.measure(each, metric="InvocationsPerInstance", namespace="AWS/SageMaker", EndpointName="e", VariantName="v")

    def activities(self) -> list[dict[str, Any]]:
        """Newest first."""
        return list(self.autoscaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"])
