"""The controller of compilation jobs: looks, asks plan.py, and has the work done."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sagewright.base import files
from sagewright.base.archive import unpack
from sagewright.compute.runtime import Observed as Instance
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.features.compilation import job, progress
from sagewright.features.compilation import plan as planning
from sagewright.features.compilation.plan import Action, Upload
from sagewright.jobs import gpus, sight
from sagewright.jobs.blame import first_failure
from sagewright.jobs.folder import JobFolder, job_folder, key, prefix
from sagewright.jobs.launch import Launch
from sagewright.jobs.log import JobLog
from sagewright.jobs.sight import Failure, JobSight
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import ErrandFailed, Errands
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import upload_archive
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource

_FAILURE = "output/failure"
_UNREADABLE = "ClientError: InputConfiguration: {uri} is no archive that can be unpacked: {problem}"
_ABSENT = "ClientError: Data download failed: {uri} is not there or cannot be read with the job's role."


@dataclass(slots=True)
class CompilationController:
    """See kernel.controller.Controller."""

    store: Store
    runtime: Runtime
    objects: Objects
    jobs: Path
    slots: Slots
    errands: Errands
    launch: Launch
    log: JobLog
    kind: str = "CompilationJob"

    async def observe(self, resource: Resource) -> JobSight:
        """Errands are looked at before the container: one that has just ended cannot hide what it did."""
        download, start, upload = (self.errands.look(resource.identity, name) for name in ("download", "start", "upload"))
        container, failure = await asyncio.to_thread(self._look, self._folder(resource))
        return JobSight(
            instances=(container,),
            failure=failure,
            placed=self.slots.holds(key(resource)),
            waiting=self._waiting(resource),
            download=download,
            start=start,
            upload=upload,
        )

    def plan(self, resource: Resource, observed: JobSight, now: float) -> planning.JobPlan:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        identity, machine = resource.identity, job.on_machine(resource)
        match action:
            case sight.Reserve(adopted):
                if not self._take(resource, adopted):
                    raise Later(planning.WAIT_SECONDS, "another job took the last place")
            case sight.Download():
                self.errands.begin(identity, "download", lambda: self._bring(resource))
            case sight.Start():
                self.errands.begin(identity, "start", lambda: self.launch.start(machine))
            case sight.Watch():
                self.errands.repeat(identity, "watch", lambda: self.log.look(machine))
            case Upload(completed):
                self.errands.begin(identity, "upload", lambda: self._upload(machine, completed))
            case sight.Signal(number):
                await asyncio.to_thread(self.runtime.signal, self._folder(resource).run, number)
            case sight.Forget(errand):
                self.errands.forget(identity, errand)
            case sight.Remove():
                await self._remove(machine)

    async def adopt(self) -> None:
        """Gives every job that runs its place, before the first look at any: who waits must not get it."""
        rows = await self.store.read(lambda transaction: transaction.resources.unsettled([self.kind]))
        for identity, _ in rows:
            row = await self.store.read(partial(_row, identity))
            if row is not None and self.runtime.observe(self._folder(row).run).state == "running":
                self._take(row, adopted=True)

    async def reset(self) -> None:
        """Ends every errand and gives back every place."""
        await self.errands.close()
        self.slots.forget(prefix(self.kind))

    async def close(self) -> None:
        """Ends what runs in this process; containers go on."""
        await self.errands.close()

    def _folder(self, resource: Resource) -> JobFolder:
        return JobFolder.of(self.jobs, resource)

    def _look(self, folder: JobFolder) -> tuple[Instance, Failure | None]:
        container = self.runtime.observe(folder.run)
        return container, first_failure((container,), (folder,), _FAILURE)

    def _waiting(self, resource: Resource) -> str:
        """Only who will take a place stands in line for one."""
        if resource.state in (*progress.TERMINAL, "Deleting") or "Outcome" in resource.status["Run"]:
            return ""
        need = gpus.need(job.on_machine(resource).spec)
        return self.slots.ask(key(resource), need, lambda: self.errands.told(resource.identity))

    def _take(self, resource: Resource, adopted: bool) -> bool:
        need = gpus.need(job.on_machine(resource).spec)
        return self.slots.take(key(resource), need, adopted, None, lambda: self.errands.told(resource.identity))

    async def _bring(self, resource: Resource) -> None:
        """The archive, unpacked, and what is to be done with it. Raises ErrandFailed, ConnectionError, OSError."""
        folder, uri = self._folder(resource), str(resource.spec["InputConfig"]["S3Uri"])
        await asyncio.to_thread(_make, folder)
        archive = folder.staging / "input.tar.gz"
        try:
            await self.objects.download(Location.parse(uri), archive)
            await asyncio.to_thread(unpack, archive, folder.ml / "input" / "model", shutil.disk_usage(folder.ml).free)
        except (FileNotFoundError, PermissionError) as problem:
            raise ErrandFailed(_ABSENT.format(uri=uri)) from problem
        except ValueError as problem:
            raise ErrandFailed(_UNREADABLE.format(uri=uri, problem=problem)) from problem
        finally:
            archive.unlink(missing_ok=True)
        text = json.dumps(job.task(resource.spec)).encode()
        await asyncio.to_thread(files.write, folder.ml / "input" / "config" / "compilationjob.json", text)

    async def _upload(self, machine: Resource, completed: bool) -> None:
        """Log before status: whoever sees the end sees every line."""
        await self.errands.finish(machine.identity, "watch")
        await self.log.look_last(machine)
        if completed:
            folder = self._folder(machine)
            made = folder.ml / "model"
            await upload_archive(self.objects, [made], job.artefact(machine.spec), folder.staging / "model.tar.gz")

    async def _remove(self, machine: Resource) -> None:
        await self.errands.cancel(machine.identity)
        await asyncio.to_thread(self.runtime.remove, self._folder(machine).run)
        with suppress(OSError):
            job_folder(self.jobs, machine).rmdir()
        await self.log.forget(machine)
        self.slots.give_back(key(machine))


def _make(folder: JobFolder) -> None:
    """Idempotent; whatever our umask is, the container's user is another."""
    folder.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.staging.mkdir(exist_ok=True)
    for name in ("input", "input/config", "input/model", "model", "output"):
        (folder.ml / name).mkdir(parents=True, exist_ok=True)
    for made in (folder.ml, *(path for path in folder.ml.rglob("*") if path.is_dir())):
        made.chmod(0o755)


def _row(identity: Identity, transaction: Transaction) -> Resource | None:
    return transaction.resources.get(*identity)
