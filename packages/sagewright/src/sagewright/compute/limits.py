"""Limits of a container beyond control groups: what the kernel offers every process, and what the shim must watch.

Standard library only. ``limits`` is the document {"cpus", "memory", "disk", "processes"}: numbers or None.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path
from typing import Any

from sagewright.compute import records, trees
from sagewright.compute.cgroups import Cgroup

OUT_OF_MEMORY = "OutOfMemory"
DISK_FULL = "DiskFull"

_MEMORY_PERIOD = 0.2  # seconds between looks without a memory controller
_DISK_PERIOD = (0.25, 10.0)  # seconds, least and most
_DISK_SHARE = 20  # a look at the disk costs at most 1/20 of the time


def restrain(limits: dict[str, Any], group: Cgroup | None) -> None:
    """Resource limits for this process and all it starts, but for what its control group holds.

    Without one, RLIMIT_DATA at twice the limit is the hard stop behind the watch, which may look too late.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.get("disk"):
        _lower(resource.RLIMIT_FSIZE, limits["disk"])
    if limits.get("memory") and not _holds(group, "memory"):
        _lower(resource.RLIMIT_DATA, 2 * limits["memory"])


def restrain_processes(limits: dict[str, Any], group: Cgroup | None) -> None:
    """Bounds our processes where no control group does; in the container's user namespace, for the kernel counts by that."""
    if limits.get("processes") and not _holds(group, "pids"):
        _lower(resource.RLIMIT_NPROC, limits["processes"])


def prefer_for_oom(pid: int) -> None:
    """When the machine itself runs out of memory, a container goes before the server."""
    with contextlib.suppress(OSError):  # it may have ended already
        Path(f"/proc/{pid}/oom_score_adj").write_text("500")


class Watch:
    """Looks now and then whether a container is over its limits; ``processes`` are its init and the user's."""

    def __init__(
        self, limits: dict[str, Any], folders: list[Path], processes: tuple[int, int | None], group: Cgroup | None
    ) -> None:
        self._disk: int | None = limits.get("disk")
        self._memory: int | None = None if _holds(group, "memory") else limits.get("memory")
        self._folders = folders
        self._processes = processes
        self._disk_due = time.monotonic() + _DISK_PERIOD[0]

    def pause(self) -> float | None:
        """Seconds until the next look; None when there is nothing to look at."""
        disk = max(0.0, self._disk_due - time.monotonic()) if self._disk else None
        if self._memory:
            return min(_MEMORY_PERIOD, disk) if disk is not None else _MEMORY_PERIOD
        return disk

    def look(self) -> str:
        """Why the container must end, or "" while it may go on."""
        if self._memory and memory_use(*self._processes) > self._memory:
            return OUT_OF_MEMORY
        if self._disk and time.monotonic() >= self._disk_due and self.disk_is_full():
            return DISK_FULL
        return ""

    def disk_is_full(self) -> bool:
        """Whether the container's folders hold as much as they may."""
        if not self._disk:
            return False
        began = time.monotonic()
        full = trees.disk_use(*self._folders) >= self._disk
        took = time.monotonic() - began
        self._disk_due = began + took + min(max(took * _DISK_SHARE, _DISK_PERIOD[0]), _DISK_PERIOD[1])
        return full


def memory_use(init: int, user: int | None) -> int:
    """Bytes of memory of a container's processes, our init left out; pages shared with others (a zygote's) count in part."""
    return sum(_memory_of(process) for process in records.descendants(init) if process != init or init == user)


def cpu_use(pid: int) -> float:
    """Seconds of processor time of a process and everything below it, ended children included."""
    return sum(_ticks_of(process) for process in records.descendants(pid)) / os.sysconf("SC_CLK_TCK")


def _memory_of(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0
    except PermissionError:  # a process that hides from tracing; its resident pages are public
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
        return 0


def _ticks_of(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        text = Path(f"/proc/{pid}/stat").read_text()
        return sum(int(field) for field in text[text.rindex(")") + 2 :].split()[11:15])
    return 0


def _holds(group: Cgroup | None, controller: str) -> bool:
    return group is not None and group.holds(controller)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = value if hard == resource.RLIM_INFINITY else min(hard, value)
    resource.setrlimit(kind, (most, most))
