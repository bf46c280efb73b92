"""The controller of edge packaging jobs: looks, asks plan.py, and has the work done. It runs no container: nothing of the model is run."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sagewright.base import files
from sagewright.base.archive import pack
from sagewright.features.edge import package
from sagewright.features.edge import plan as planning
from sagewright.features.edge.plan import Action, Forget, Package, Sight
from sagewright.jobs import archive
from sagewright.jobs.folder import job_folder
from sagewright.jobs.sight import Remove
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import ErrandFailed, Errands
from sagewright.objects.s3 import Location, Objects
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Resource

_ERRAND = "package"
_RESULT = "packaged.json"


@dataclass(slots=True)
class PackagingController:
    """See kernel.controller.Controller. ``master`` is the secret from which the signing keys follow."""

    store: Store
    objects: Objects
    jobs: Path
    errands: Errands
    master: str
    kind: str = "EdgePackagingJob"

    async def observe(self, resource: Resource) -> Sight:
        """The errand is looked at before its result: one that has just ended cannot hide it."""
        errand = self.errands.look(resource.identity, _ERRAND)
        return Sight(errand, await asyncio.to_thread(_result, self._folder(resource)))

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        match action:
            case Package():
                self.errands.begin(resource.identity, _ERRAND, lambda: self._package(resource))
            case Forget():
                self.errands.forget(resource.identity, _ERRAND)
            case Remove():
                await self.errands.cancel(resource.identity)
                await asyncio.to_thread(shutil.rmtree, self._folder(resource), True)

    async def close(self) -> None:
        """Ends what runs; the next control begins it again."""
        await self.errands.close()

    def _folder(self, resource: Resource) -> Path:
        return job_folder(self.jobs, resource)

    async def _package(self, resource: Resource) -> None:
        """The result is written last: who finds it finds the package in S3. Raises ErrandFailed, ConnectionError, OSError."""
        spec, folder = resource.spec, self._folder(resource)
        source = await self.store.read(lambda transaction: _compiled(transaction, resource))
        await archive.bring(self.objects, source, folder / "artefact.tar.gz", folder / "model")
        key = package.signing_key(self.master, resource.world)
        signature, checksum = await asyncio.to_thread(_wrap, folder, spec, key)
        target = package.artefact(spec)
        try:
            await self.objects.upload(folder / "package.tar.gz", target)
        except FileNotFoundError as problem:
            raise ErrandFailed(f"ClientError: Artifact upload failed:The bucket {target.bucket} does not exist.") from problem
        except PermissionError as problem:
            raise ErrandFailed(f"ClientError: Artifact upload failed:Access denied for {target}.") from problem
        result = {"ModelArtifact": str(target), "ModelSignature": signature, "Checksum": checksum}
        await asyncio.to_thread(files.write, folder / _RESULT, orjson.dumps(result))


def _compiled(transaction: Transaction, resource: Resource) -> Location:
    """Where the artefact lies. Raises ErrandFailed."""
    name = resource.spec["CompilationJobName"].rpartition("/")[2]
    job = transaction.resources.get(resource.world, "CompilationJob", name)
    if job is None or job.state != "COMPLETED":
        state = "does not exist" if job is None else f"is in status {job.state}"
        raise ErrandFailed(f"ClientError: The compilation job {name} {state}; only the model of a completed one is packaged.")
    return Location.parse(job.status["ModelArtifacts"]["S3ModelArtifacts"])


def _wrap(folder: Path, spec: Mapping[str, Any], key: bytes) -> tuple[str, str]:
    """Signature and SHA-1 of package.tar.gz, which it makes. Raises ErrandFailed."""
    model = folder / "model"
    if not (model / "model.onnx").is_file() or not (model / "compiled.json").is_file():
        raise ErrandFailed("ClientError: The compilation job's artefact holds no compiled model any more.")
    try:
        about = orjson.loads((model / "compiled.json").read_bytes())
    except orjson.JSONDecodeError as problem:
        raise ErrandFailed("ClientError: The compilation job's artefact holds no compiled model any more.") from problem
    for path in model.rglob("*"):
        if path.is_symlink():
            raise ErrandFailed("ClientError: The compilation job's artefact holds links, which devices are not given.")
    signature = package.seal(model, spec, about, key)
    pack([model], folder / "package.tar.gz")
    return signature, package.sha1(folder / "package.tar.gz")


def _result(folder: Path) -> dict[str, str] | None:
    try:
        result: dict[str, str] = orjson.loads((folder / _RESULT).read_bytes())
    except FileNotFoundError:
        return None
    return result
