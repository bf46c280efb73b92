"""Makes transform jobs true: looks at their containers and their work, asks plan.py, and does what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sagewright.compute import trees
from sagewright.compute.placement import Machine, serving_limits
from sagewright.compute.replica import Replica
from sagewright.compute.slots import Slots
from sagewright.features.transform import plan as planning
from sagewright.features.transform.progress import TERMINAL, Blueprint, Run
from sagewright.features.transform.settings import environment
from sagewright.features.transform.sight import Act, Action, Clear, Halt, Reserve, Send, Sight
from sagewright.features.transform.work import Job, Work
from sagewright.jobs.folder import job_folder, key, prefix
from sagewright.jobs.usage import namespace
from sagewright.kernel.controller import Later, Plan
from sagewright.kernel.errands import Errands
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import Access
from sagewright.serving.definition import Undeployable, holds_many, model_container
from sagewright.serving.ensemble import Replicas
from sagewright.serving.step import WAIT_SECONDS, Slot
from sagewright.serving.unit import Unit
from sagewright.signals import logs
from sagewright.signals.logs import Event
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

KIND = "TransformJob"
GROUP = namespace(KIND)
VOLUME_GB = 30
"""Room for the model, the objects on their way and the log."""
SENDING = "sending"
"""The one errand of a job."""


class TransformController:
    """See the module docstring. ``jobs`` is the folder of all run folders, ``slots`` the places that all jobs share."""

    kind = KIND

    def __init__(
        self,
        store: Store,
        containers: Replicas,
        objects: Objects,
        errands: Errands,
        jobs: Path,
        machine: Machine,
        slots: Slots,
    ) -> None:
        self._store = store
        self._containers = containers
        self._objects = objects
        self._errands = errands
        self._jobs = jobs
        self._machine = machine
        self._slots = slots

    async def observe(self, resource: Resource) -> Sight:
        """Work is looked at before the containers: one that has just ended it cannot hide what it did."""
        run = Run.of(resource.status)
        if resource.state in TERMINAL:
            return Sight()
        if run is None:
            try:
                return Sight(blueprint=await self._store.read(partial(self._blueprint, resource)))
            except Undeployable as problem:
                return Sight(refusal=f"ClientError: {problem}")
        work = self._errands.look(resource.identity, SENDING)
        outcome = await asyncio.to_thread(_outcome, self._job(resource, run))
        seen = await asyncio.gather(*(self._containers.look(self._unit(resource, run, slot)) for slot in run.slots))
        placed = self._slots.holds(key(resource))
        waiting = self._slots.ask(key(resource), told=lambda: self._errands.told(resource.identity))
        return Sight(tuple(seen), work, outcome, placed=placed, waiting=waiting)

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Reserve(adopted):
                if not self._slots.take(key(resource), adopted=adopted):
                    raise Later(WAIT_SECONDS, "another job took the last place")
            case Act(run, slot, move):
                await self._containers.act(move, self._unit(resource, run, slot))
            case Send(run):
                self._errands.renew(resource.identity, SENDING, partial(self._send, resource, run))
            case Halt():
                await self._errands.cancel(resource.identity)
            case Clear():
                await self._errands.cancel(resource.identity)
                await asyncio.to_thread(trees.remove, self._folder(resource))
                self._slots.give_back(key(resource))

    async def reset(self) -> None:
        """Forgets every job."""
        await self._errands.close()
        self._slots.forget(prefix(KIND))

    async def close(self) -> None:
        """Ends the sending; the next control goes on."""
        await self._errands.close()

    async def _send(self, resource: Resource, run: Run) -> None:
        replicas: list[Replica] = []
        try:
            for slot in run.slots:
                replicas.append(self._containers.open(self._unit(resource, run, slot)))
            await Work(self._objects, self._job(resource, run), replicas).run()
        finally:
            for replica in replicas:
                replica.close()

    def _blueprint(self, resource: Resource, transaction: Transaction) -> Blueprint:
        """More containers than cores would only take each other's time: the objects are split over fewer."""
        model = model_container(transaction, resource, resource.spec["ModelName"])
        if holds_many(model.container) or model.container.get("Mode") == "Direct":
            raise Undeployable("Batch transform supports models of one container and inference pipelines only.")
        asked = resource.spec["TransformResources"]["InstanceCount"]
        return Blueprint(model.container, model.role, min(asked, max(1, self._machine.cpus)), model.isolated)

    def _job(self, resource: Resource, run: Run) -> Job:
        access = Access(resource.world.region, run.blueprint.role)
        return Job(resource.spec, resource.name, run.stream, self._folder(resource), access, partial(self._log, resource, run))

    async def _log(self, resource: Resource, run: Run, lines: Sequence[str]) -> None:
        """The job's data log (DG logging-cloudwatch)."""
        now = self._store.clock.now()
        at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        events = [Event(int(now * 1000), f"{at}:[sagemaker logs]: {line}") for line in lines]
        stream = f"{_stream(resource, run, 0)}/data-log"
        await self._store.write(lambda transaction: logs.append(transaction, resource.world, GROUP, stream, events))

    def _unit(self, resource: Resource, run: Run, slot: Slot) -> Unit:
        kind = resource.spec["TransformResources"]["InstanceType"]
        return Unit(
            identity=resource.identity,
            home=self._folder(resource) / f"algo-{slot.index + 1}",
            key=f"{key(resource)}/algo-{slot.index + 1}/{slot.attempt}",
            attempt=slot.attempt,
            group=GROUP,
            stream=_stream(resource, run, slot.index) + (f"-{slot.attempt}" if slot.attempt > 1 else ""),
            container=run.blueprint.container,
            env={**environment(resource.spec, resource.name), "TRANSFORM_JOB_ARN": resource.arn},
            role=run.blueprint.role,
            isolated=run.blueprint.isolated,
            limits=serving_limits(kind, VOLUME_GB, self._machine),
        )

    def _folder(self, resource: Resource) -> Path:
        return job_folder(self._jobs, resource)


def _outcome(job: Job) -> Document | None:
    try:
        document: Document = json.loads(job.outcome.read_bytes())
    except FileNotFoundError:
        return None
    return document


def _stream(resource: Resource, run: Run, index: int) -> str:
    return f"{resource.name}/algo-{index + 1}-{run.stream}"
