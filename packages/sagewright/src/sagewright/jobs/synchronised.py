"""Folders of a job's containers that are kept in step with S3 while it runs: new and changed files go up every few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagewright.base.clock import Clock
from sagewright.jobs.folder import JobFolder, job_folder
from sagewright.objects import checkpoints
from sagewright.objects.s3 import Objects
from sagewright.store.rows import Resource

PUSH_SECONDS = 5.0
"""Between two pushes of a job's folders."""
SETTLED_SECONDS = 1.0
"""A file that has not changed for so long is complete."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folder ``below`` the container's /opt/ml; ``target`` is where it appears elsewhere in the container, or empty; ``uri`` in S3 or empty.

    ``mirrored``: what the container deletes is deleted in S3, too.
    """

    below: str
    target: str
    uri: str
    mirrored: bool = True


@dataclass(slots=True)
class Synchronised:
    """``parts`` are those of a job's spec, by name. ``pushed`` remembers the time of the last push, by job folder."""

    objects: Objects
    jobs: Path
    clock: Clock
    parts: Callable[[Mapping[str, Any]], Mapping[str, Part]]
    pushed: dict[Path, float] = field(default_factory=dict)

    async def push_settled(self, resource: Resource) -> None:
        """Now and then; a file that is still being written waits. Raises ConnectionError, TransferError."""
        folder, now = job_folder(self.jobs, resource), self.clock.now()
        if now - self.pushed.get(folder, 0.0) < PUSH_SECONDS:
            return
        await self._push(resource, now - SETTLED_SECONDS)
        self.pushed[folder] = self.clock.now()

    async def push_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        await self._push(resource, float("inf"))

    def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over."""
        self.pushed.pop(job_folder(self.jobs, resource), None)

    async def _push(self, resource: Resource, before: float) -> None:
        """All instances' files come under the same prefix; of those with one name the last to change stays (DG model-checkpoints)."""
        for name, part in self.parts(resource.spec).items():
            for folder in JobFolder.all(self.jobs, resource) if part.uri else ():
                ledger = folder.ledger(name)
                await checkpoints.push(self.objects, part.uri, folder.ml, part.below, ledger, before, mirrored=part.mirrored)
