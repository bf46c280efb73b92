"""Models, configurations and endpoints of benchmarks, made and deleted through the public API as the job's role."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.compute.way_back import SESSION
from sagewright.features.recommendations.benchmark import VARIANT, Benchmark
from sagewright.features.recommendations.sight import Material
from sagewright.kernel.client import PASSING, Client, looked_up
from sagewright.kernel.controller import Later
from sagewright.kernel.operation import Caller
from sagewright.signals import logs, metrics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.credentials import assumed_role_arn
from sagewright.wire.errors import Fault

ACCESS_KEY = "SAGEWRIGHTRECOMMENDER"
"""No key that a signature could prove: a caller who has it is this process."""
GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
RETRY_SECONDS = 1.0
NO_PAYLOAD = "ClientError: There is no sample payload: ContainerConfig.PayloadConfig.SamplePayloadUrl, or SamplePayloadUrl of the model package."
_MODEL = ("ExecutionRoleArn", "InferenceExecutionConfig", "VpcConfig", "EnableNetworkIsolation")
_USES = {
    ("/aws/sagemaker/Endpoints", "CPUUtilization"),
    ("/aws/sagemaker/Endpoints", "MemoryUtilization"),
    ("AWS/SageMaker", "ModelSetupTime"),
}


@dataclass(frozen=True, slots=True)
class Workshop:
    """``store`` has the metrics and takes the log."""

    store: Store
    client: Client

    async def material(self, job: Resource) -> Material:
        """What the model package or the request says of payloads and instance types; the request wins."""
        given = job.spec["InputConfig"]
        config = given.get("ContainerConfig", {})
        package: Document = {}
        if "ModelPackageVersionArn" in given:
            name = given["ModelPackageVersionArn"]
            found = await self._found(job, "DescribeModelPackage", {"ModelPackageName": name})
            if found is None:
                return Material(problem=f"ClientError: The model package {name} is not there.")
            package = found
        specification = package.get("InferenceSpecification", {})
        payload = config.get("PayloadConfig", {})
        url = payload.get("SamplePayloadUrl") or package.get("SamplePayloadUrl", "")
        types = payload.get("SupportedContentTypes") or specification.get("SupportedContentTypes", ())
        instances = config.get("SupportedInstanceTypes") or specification.get("SupportedRealtimeInferenceInstanceTypes", ())
        return Material(url, next(iter(types), ""), tuple(instances), "" if url else NO_PAYLOAD)

    async def endpoint(self, job: Resource, benchmark: Benchmark) -> Document | None:
        """DescribeEndpoint, None when it is not there."""
        return await self._found(job, "DescribeEndpoint", {"EndpointName": benchmark.name})

    async def make(self, job: Resource, benchmark: Benchmark) -> str:
        """Idempotent. Returns why it is refused for good, or nothing."""
        if benchmark.existing:
            return f"ClientError: The endpoint {benchmark.name} is not there."
        try:
            if await self._found(job, "DescribeModel", {"ModelName": benchmark.name}) is None:
                await self._call(job, "CreateModel", await self._model(job, benchmark))
            if await self._found(job, "DescribeEndpointConfig", {"EndpointConfigName": benchmark.name}) is None:
                await self._call(job, "CreateEndpointConfig", _config(job, benchmark))
            if await self.endpoint(job, benchmark) is None:
                request = {"EndpointName": benchmark.name, "EndpointConfigName": benchmark.name}
                await self._call(job, "CreateEndpoint", request)
        except Fault as fault:
            if fault.status >= PASSING:
                raise Later(RETRY_SECONDS, str(fault)) from fault
            return f"ClientError: {fault.message}"
        return ""

    async def remove(self, job: Resource, benchmark: Benchmark) -> None:
        """Idempotent; Later while the endpoint is on its way."""
        if benchmark.existing:
            return
        found = await self.endpoint(job, benchmark)
        if found is not None and found["EndpointStatus"] != "Deleting":
            await self._delete(job, "DeleteEndpoint", {"EndpointName": benchmark.name})
        if await self._found(job, "DescribeEndpointConfig", {"EndpointConfigName": benchmark.name}) is not None:
            await self._delete(job, "DeleteEndpointConfig", {"EndpointConfigName": benchmark.name})
        if await self._found(job, "DescribeModel", {"ModelName": benchmark.name}) is not None:
            await self._delete(job, "DeleteModel", {"ModelName": benchmark.name})

    async def use(self, job: Resource, benchmark: Benchmark) -> Mapping[str, float]:
        """The largest values that the endpoint's metrics have; those that were not measured are not there."""
        dimensions = {"EndpointName": benchmark.name, "VariantName": VARIANT}

        def work(transaction: Transaction) -> dict[str, float]:
            known = {
                name: metrics.values(transaction, job.world, namespace, name, dimensions) for namespace, name in sorted(_USES)
            }
            return {name: max(values) for name, values in known.items() if values}

        return await self.store.read(work)

    async def tell(self, job: Resource, number: int, text: str) -> None:
        """A line of the job's log, which the SDK prints; the same number is written once."""
        now, stream = int(time.time() * 1000), f"{job.key}/execution"

        def work(transaction: Transaction) -> None:
            known = logs.stream(transaction, job.world, GROUP, stream)
            if known is None or known.sequence <= number:
                logs.append(transaction, job.world, GROUP, stream, [logs.Event(now, text)])

        await self.store.write(work)

    async def _model(self, job: Resource, benchmark: Benchmark) -> Document:
        """A copy of the job's model with the benchmark's environment. Raises Fault."""
        given = job.spec["InputConfig"]
        network = {"VpcConfig": given["VpcConfig"]} if "VpcConfig" in given else {}
        if "ModelPackageVersionArn" in given:
            container = {"ModelPackageName": given["ModelPackageVersionArn"], "Environment": benchmark.environment}
            return {
                "ModelName": benchmark.name,
                "ExecutionRoleArn": job.spec["RoleArn"],
                "PrimaryContainer": container,
                **network,
            }
        model = await self._call(job, "DescribeModel", {"ModelName": given["ModelName"]})
        made = {member: model[member] for member in _MODEL if member in model}
        for member in ("PrimaryContainer", "Containers"):
            if member in model:
                made[member] = _with_environment(model[member], benchmark.environment)
        return {**made, "ModelName": benchmark.name, **network}

    async def _delete(self, job: Resource, operation: str, request: Document) -> None:
        try:
            await self._call(job, operation, request)
        except Fault as fault:
            raise Later(RETRY_SECONDS, str(fault)) from fault

    async def _found(self, job: Resource, operation: str, request: Document) -> Document | None:
        return await looked_up(self._call(job, operation, request), RETRY_SECONDS)

    async def _call(self, job: Resource, operation: str, request: Document) -> Document:
        caller = Caller(job.world, assumed_role_arn(job.spec["RoleArn"], SESSION), ACCESS_KEY)
        return await self.client.call(caller, "sagemaker", operation, request)


def _with_environment(containers: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(containers, list):
        return [_with_environment(container, environment) for container in containers]
    return {**containers, "Environment": {**containers.get("Environment", {}), **environment}}


def _config(job: Resource, benchmark: Benchmark) -> Document:
    variant: Document = {"VariantName": VARIANT, "ModelName": benchmark.name}
    if benchmark.serverless:
        variant["ServerlessConfig"] = benchmark.serverless
    else:
        variant.update(InstanceType=benchmark.instance, InitialInstanceCount=1)
    key = job.spec["InputConfig"].get("VolumeKmsKeyId")
    return {
        "EndpointConfigName": benchmark.name,
        "ProductionVariants": [variant],
        **({"KmsKeyId": key} if key else {}),
    }
