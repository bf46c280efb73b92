"""The controller of training jobs: looks, asks plan.py, and has the work done by its parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sagewright.base import folders
from sagewright.compute.placement import Slots, notice
from sagewright.compute.runtime import Runtime
from sagewright.features.training import plan as planning
from sagewright.features.training import sight
from sagewright.features.training.delivery import Delivery
from sagewright.features.training.folder import KEY_PREFIX, JobFolder, key
from sagewright.features.training.intake import Intake
from sagewright.features.training.launch import Launch
from sagewright.features.training.sight import Action, Sight
from sagewright.features.training.watch import Watch
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import Errands
from sagewright.store.rows import Resource

FAILURE_BYTES = 4 * 1024
"""Enough for the 1 024 characters of the failure file that count."""
TAIL_BYTES = 600


@dataclass(slots=True)
class TrainingController:
    """See kernel.controller.Controller."""

    runtime: Runtime
    jobs: Path
    slots: Slots
    errands: Errands
    intake: Intake
    launch: Launch
    watch: Watch
    delivery: Delivery
    kind: str = "TrainingJob"

    async def observe(self, resource: Resource) -> Sight:
        """Errands are looked at before the container: one that has just ended cannot hide what it did."""
        job, folder = resource.identity, JobFolder.of(self.jobs, resource)
        download, start, upload = (self.errands.look(job, name) for name in ("download", "start", "upload"))
        instance = await asyncio.to_thread(self.runtime.observe, folder.run)
        over = instance.state in ("exited", "lost")
        placed = self.slots.holds(key(resource))
        return Sight(
            instance=instance,
            placed=placed,
            waiting=self._waiting(resource) if not placed and self.slots.full else "",
            download=download,
            start=start,
            upload=upload,
            failure=await asyncio.to_thread(folders.read_start, folder.ml, "output/failure", FAILURE_BYTES) if over else "",
            last_lines=await asyncio.to_thread(_last_lines, folder.stdout) if over else "",
            metrics=await self.watch.metrics(resource),
            notice=notice(resource.spec["ResourceConfig"]["InstanceType"]),
        )

    def plan(self, resource: Resource, observed: Sight, now: float) -> planning.JobPlan:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        job = resource.identity
        match action:
            case sight.Reserve(adopted):
                if not self.slots.take(key(resource), adopted):
                    raise Later(planning.WAIT_SECONDS, "another job took the last place")
            case sight.Download():
                self.errands.begin(job, "download", lambda: self.intake.bring(resource))
            case sight.Start():
                self.errands.begin(job, "start", lambda: self.launch.start(resource))
            case sight.Watch():
                self.errands.repeat(job, "watch", lambda: self.watch.look(resource))
                self.errands.repeat(job, "synchronise", lambda: self.watch.synchronise(resource))
            case sight.Upload(with_model):
                self.errands.begin(job, "upload", lambda: self._upload(resource, with_model))
            case sight.Signal(number):
                await asyncio.to_thread(self.runtime.signal, JobFolder.of(self.jobs, resource).run, number)
            case sight.Forget(errand):
                self.errands.forget(job, errand)
            case sight.Remove():
                await self._remove(resource)

    async def reset(self) -> None:
        """Ends every errand and gives back every place of a training job."""
        await self.errands.close()
        for held in [held for held in self.slots.taken if held.startswith(KEY_PREFIX)]:
            self.slots.give_back(held)

    async def close(self) -> None:
        """Ends what runs in this process; containers go on."""
        await self.errands.close()
        await self.watch.scraper.close()

    def _waiting(self, resource: Resource) -> str:
        self.slots.wait(key(resource), lambda: self.errands.told(resource.identity))
        return f"Waiting for a place: this machine runs {self.slots.count} jobs at once"

    async def _upload(self, resource: Resource, with_model: bool) -> None:
        for name in ("watch", "synchronise"):
            await self.errands.finish(resource.identity, name)
        await self.watch.look_last(resource)
        await self.delivery.send(resource, with_model)

    async def _remove(self, resource: Resource) -> None:
        await self.errands.cancel(resource.identity)
        folder = JobFolder.of(self.jobs, resource).run
        await asyncio.to_thread(self.runtime.remove, folder)
        with suppress(OSError):
            folder.parent.rmdir()
        await self.watch.forget(resource)
        self.slots.give_back(key(resource))


def _last_lines(stdout: Path) -> str:
    """The end of the log, from the start of a line, on one line."""
    try:
        with stdout.open("rb") as content:
            content.seek(0, 2)
            size = content.tell()
            content.seek(max(0, size - TAIL_BYTES))
            text = content.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()]
    return " | ".join(lines[1:] if size > TAIL_BYTES and len(lines) > 1 else lines)
