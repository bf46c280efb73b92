"""Edge deployment plans and their stages: operations on rows that no controller moves, because the devices do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagewright.features.edge import stages
from sagewright.features.edge.rules import check_plan, check_stages
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.paging import window
from sagewright.kernel.writing import insert, new_resource, remove, tag_mapping
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

PLAN = "EdgeDeploymentPlan"
_PAGE = 100


class Deployments:
    """Operations on plans."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store, self._tokens = engine.catalog, engine.store, engine.tokens
        self._kind = engine.catalog[PLAN]

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "CreateEdgeDeploymentPlan": self.create,
            "CreateEdgeDeploymentStage": self.add,
            "DeleteEdgeDeploymentPlan": self.delete,
            "DeleteEdgeDeploymentStage": self.remove,
            "ListStageDevices": self.devices,
            "StartEdgeDeploymentStage": self.start,
            "StopEdgeDeploymentStage": self.stop,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """API CreateEdgeDeploymentPlan. The fleet and the packaging jobs must exist."""
        check_plan(request)
        spec = {member: value for member, value in request.items() if member not in ("Tags", "Stages")}
        tags = tag_mapping(request.get("Tags"))

        def work(transaction: Transaction) -> Document:
            new = new_resource(context, self._kind, spec, **stages.created(request.get("Stages", [])))
            row = insert(transaction, self._catalog, replace(new, due=None), tags)
            return {"EdgeDeploymentPlanArn": row.arn}

        return await self._store.write(work)

    async def add(self, context: Context, request: Document) -> Document:
        """API CreateEdgeDeploymentStage."""

        def change(_: Transaction, plan: Resource) -> Document:
            check_stages(request["Stages"], tuple(stage["StageName"] for stage in plan.status["Stages"]))
            return stages.added(plan.status, request["Stages"])

        return await self._change(context, request, change)

    async def remove(self, context: Context, request: Document) -> Document:
        """API DeleteEdgeDeploymentStage: only of a stage that is not under way."""

        def change(_: Transaction, plan: Resource) -> Document:
            _refuse_active(plan, _stage(plan, request))
            return stages.without(plan.status, request["StageName"])

        return await self._change(context, request, change)

    async def delete(self, context: Context, request: Document) -> Document:
        """API DeleteEdgeDeploymentPlan: only while no stage is under way."""

        def work(transaction: Transaction) -> Document:
            plan = self._catalog.find(transaction, context.world, self._kind, request)
            for stage in plan.status["Stages"]:
                _refuse_active(plan, stage)
            remove(transaction, self._catalog, plan)
            return {}

        return await self._store.write(work)

    async def start(self, context: Context, request: Document) -> Document:
        """API StartEdgeDeploymentStage: from now on its devices get the models, once every package is there."""

        def change(transaction: Transaction, plan: Resource) -> Document:
            stage = _stage(plan, request)
            if stages.state(stage) not in ("READYTODEPLOY", "STOPPED", "FAILED"):
                raise validation(f"The stage {request['StageName']} cannot be started in status {stages.state(stage)}.")
            for model in plan.spec["ModelConfigs"]:
                job = self._catalog.named(
                    transaction, context.world, self._catalog["EdgePackagingJob"], model["EdgePackagingJobName"]
                )
                if job.state != "COMPLETED":
                    raise validation(f"The edge packaging job {job.name} is in status {job.state}; it must be COMPLETED.")
            found = stages.chosen(plan.status, stage, _fleet(transaction, plan))
            if not found:
                raise validation(f"The stage {request['StageName']} selects no device of fleet {plan.spec['DeviceFleetName']}.")
            return stages.started(plan.status, request["StageName"], found, context.now)

        return await self._change(context, request, change)

    async def stop(self, context: Context, request: Document) -> Document:
        """API StopEdgeDeploymentStage. Devices that have the models keep them."""

        def change(_: Transaction, plan: Resource) -> Document:
            stage = _stage(plan, request)
            if stages.state(stage) != "INPROGRESS":
                raise validation(f"The stage {request['StageName']} cannot be stopped in status {stages.state(stage)}.")
            return stages.stopped(plan.status, request["StageName"])

        return await self._change(context, request, change)

    async def devices(self, context: Context, request: Document) -> Document:
        """API ListStageDevices: of a stage that was never started, the devices that it would go to."""

        def work(transaction: Transaction) -> list[Document]:
            plan = self._catalog.find(transaction, context.world, self._kind, request)
            name, stage = request["StageName"], _stage(plan, request)
            found = plan.status["StageDevices"].get(name)
            if found is None:
                names = stages.chosen(plan.status, stage, _fleet(transaction, plan))
                found = {device: {"DeviceDeploymentStatus": "READYTODEPLOY"} for device in names}
            rows = [_summary(transaction, plan, name, device, about) for device, about in found.items()]
            if request.get("ExcludeDevicesDeployedInOtherStage"):
                rows = [row for row in rows if row.get("DeployedStageName", name) == name]
            return rows

        rows = await self._store.read(work)
        after = self._tokens.read(context.world, "ListStageDevices", request)
        limit = int(request.get("MaxResults", _PAGE))
        page, last = window(rows, lambda row: (row["DeviceName"], row["DeviceName"]), after, False, limit)
        answer: Document = {"DeviceDeploymentSummaries": page}
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, "ListStageDevices", request, last)
        return answer

    async def _change(
        self, context: Context, request: Document, change: Callable[[Transaction, Resource], Document]
    ) -> Document:
        """One transaction: the plan, and its new status."""

        def work(transaction: Transaction) -> Document:
            plan = self._catalog.find(transaction, context.world, self._kind, request)
            transaction.resources.save(replace(plan, status=change(transaction, plan), modified=context.now))
            return {}

        return await self._store.write(work)


def plans_of(transaction: Transaction, fleet: Resource) -> list[Resource]:
    """The fleet's plans, in the order in which they were made."""
    rows = transaction.resources.query(fleet.world, PLAN, limit=10_000)
    return sorted((row for row in rows if row.spec["DeviceFleetName"] == fleet.name), key=lambda row: row.created)


def _stage(plan: Resource, request: Document) -> Document:
    stage = stages.find(plan.status, request["StageName"])
    if stage is None:
        raise validation(f"The edge deployment plan {plan.name} has no stage {request['StageName']}.")
    return stage


def _refuse_active(plan: Resource, stage: Document) -> None:
    if stages.state(stage) == "INPROGRESS":
        raise Fault("ResourceInUse", f"The stage {stage['StageName']} of {plan.arn} is under way. Stop it first.")


def _fleet(transaction: Transaction, plan: Resource) -> list[str]:
    """The names of the fleet's devices."""
    rows = transaction.resources.query(plan.world, "Device", parent=plan.spec["DeviceFleetName"], limit=100_000)
    return [row.name for row in rows]


def _summary(transaction: Transaction, plan: Resource, stage: str, device: str, about: Document) -> Document:
    fleet = plan.spec["DeviceFleetName"]
    row = transaction.resources.get(plan.world, "Device", f"{fleet}/{device}")
    elsewhere = stages.deployed_in(plan.status, device)
    return {
        "EdgeDeploymentPlanArn": plan.arn,
        "EdgeDeploymentPlanName": plan.name,
        "StageName": stage,
        **({"DeployedStageName": elsewhere} if elsewhere else {}),
        "DeviceFleetName": fleet,
        "DeviceName": device,
        "DeviceArn": row.arn if row else f"{plan.arn.rpartition(':')[0]}:device-fleet/{fleet}/device/{device}".lower(),
        **({"Description": row.spec["Description"]} if row and "Description" in row.spec else {}),
        **about,
    }
