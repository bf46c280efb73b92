"""What devices ask: the sagemaker-edge API (SendHeartbeat, GetDeviceRegistration, GetDeployments)."""

from __future__ import annotations

from dataclasses import replace

import orjson

from sagewright.features.edge import stages
from sagewright.features.edge.deployments import PLAN, plans_of
from sagewright.features.edge.package import signing_key
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

EDGE = "sagemaker-edge"
_TTL_SECONDS = 3600
_OF_A_MODEL = ("ModelName", "ModelVersion", "LatestSampleTime", "LatestInference")


class DeviceApi:
    """Operations of devices. An unknown device or fleet gets the Fault that DescribeDevice gives."""

    def __init__(self, engine: Engine, master: str) -> None:
        self._catalog, self._store, self._master = engine.catalog, engine.store, master

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "SendHeartbeat": self.heartbeat,
            "GetDeviceRegistration": self.registration,
            "GetDeployments": self.deployments,
        }

    async def heartbeat(self, context: Context, request: Document) -> Document:
        """What DescribeDevice shows; the result of a deployment goes to its plan."""

        def work(transaction: Transaction) -> Document:
            device = self._device(transaction, context, request)
            models = [
                {member: model[member] for member in _OF_A_MODEL if member in model} for model in request.get("Models", [])
            ]
            said = {"LatestHeartbeat": context.now, "AgentVersion": request["AgentVersion"], "Models": models}
            transaction.resources.save(replace(device, status={**device.status, **said}))
            if "DeploymentResult" in request:
                self._report(transaction, context, request)
            return {}

        return await self._store.write(work)

    async def registration(self, context: Context, request: Document) -> Document:
        """AWS says nothing of the text; here it is JSON with the key that verifies packages."""

        def work(transaction: Transaction) -> Document:
            device = self._device(transaction, context, request)
            key = signing_key(self._master, context.world).hex()
            text = orjson.dumps({"DeviceArn": device.arn, "Algorithm": "HMAC-SHA256", "VerificationKey": key}).decode()
            return {"DeviceRegistration": text, "CacheTTL": str(_TTL_SECONDS)}

        return await self._store.read(work)

    async def deployments(self, context: Context, request: Document) -> Document:
        """The stages that wait for this device, oldest plan first."""

        def work(transaction: Transaction) -> Document:
            self._device(transaction, context, request)
            fleet = self._catalog.find(transaction, context.world, self._catalog["DeviceFleet"], request)
            return {
                "Deployments": [
                    self._deployment(transaction, plan, stage)
                    for plan in plans_of(transaction, fleet)
                    for stage in stages.pending(plan.status, request["DeviceName"])[:1]
                ]
            }

        return await self._store.read(work)

    def _device(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        return self._catalog.find(transaction, context.world, self._catalog["Device"], request)

    def _deployment(self, transaction: Transaction, plan: Resource, stage: Document) -> Document:
        return {
            "DeploymentName": plan.name,
            "Type": "Model",
            "FailureHandlingPolicy": stage["DeploymentConfig"]["FailureHandlingPolicy"],
            "Definitions": [self._definition(transaction, plan, model) for model in plan.spec["ModelConfigs"]],
        }

    def _definition(self, transaction: Transaction, plan: Resource, model: Document) -> Document:
        kind = self._catalog["EdgePackagingJob"]
        job = self._catalog.named(transaction, plan.world, kind, model["EdgePackagingJobName"])
        return {
            "ModelHandle": model["ModelHandle"],
            "S3Url": job.status["ModelArtifact"],
            "Checksum": {"Type": "SHA1", "Sum": job.status["Checksum"]},
            "State": "DEPLOY",
        }

    def _report(self, transaction: Transaction, context: Context, request: Document) -> None:
        """A result for a plan that has gone meanwhile, or from a device that was not asked, changes nothing."""
        result = request["DeploymentResult"]
        plan = transaction.resources.get(context.world, PLAN, result.get("DeploymentName", ""))
        if plan is not None and plan.spec["DeviceFleetName"] == request["DeviceFleetName"]:
            status = stages.reported(plan.status, request["DeviceName"], _failure(result))
            transaction.resources.save(replace(plan, status=status, modified=context.now))


def _failure(result: Document) -> str | None:
    """Why a deployment failed, or None: one model that failed is enough."""
    failed = [model for model in result.get("DeploymentModels", []) if model.get("Status") == "FAIL"]
    if not failed and not result.get("DeploymentStatus", "").upper().startswith("FAIL"):
        return None
    reasons = [model.get("StatusReason", "") for model in failed]
    return "; ".join(filter(None, [result.get("DeploymentStatusMessage", ""), *reasons])) or "The device gave no reason."
