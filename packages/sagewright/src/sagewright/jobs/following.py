"""Follows the containers of a job while they run: their log lines, what they use, their folders that are kept in step with S3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sagewright.jobs.log import JobLog
from sagewright.jobs.synchronised import Synchronised
from sagewright.store.rows import Resource


@dataclass(slots=True)
class Following:
    """``log`` brings lines out, ``folders`` files."""

    log: JobLog
    folders: Synchronised

    @property
    def looks(self) -> dict[str, Callable[[Resource], Awaitable[None]]]:
        """What is repeated while containers run, by the name of the errand. Raise ConnectionError, TransferError."""
        return {"watch": self.log.look, "synchronise": self.folders.push_settled}

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        await self.log.look_last(resource)
        await self.folders.push_last(resource)

    async def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over."""
        self.folders.forget(resource)
        await self.log.forget(resource)
