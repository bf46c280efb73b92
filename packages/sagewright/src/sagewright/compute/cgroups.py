"""Control groups, version 1 and 2: memory, processor and process limits that a container cannot leave.

Standard library only. ``find_base`` says once where this server may make groups; the shim then makes one for its container,
and removes it. Everything raises OSError as the kernel does.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

NAME = "sagewright"
_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_CONTROLLERS_1 = ("memory", "cpu", "pids")
_CONTROLLERS_2 = ("memory", "cpu", "pids")
_LIMITS = {"memory": "memory", "cpu": "cpus", "pids": "processes"}
_PERIOD = 100_000  # microseconds


def find_base(root: Path = _ROOT, own: Path = _OWN) -> dict[str, str] | None:
    """Where groups can be made: controller to folder ("" is the one folder of version 2); None when nowhere.

    Version 1 wants the memory and pids controllers below the root of the hierarchy. Version 2 wants a folder whose controllers
    may be passed on: the root's for root, else our own (systemd: ``Delegate=yes``), out of which we move ourselves first.
    """
    if (root / "cgroup.controllers").exists():
        return _find_base_2(root, own)
    base = {}
    for controller in _CONTROLLERS_1:
        if (root / controller / "cgroup.procs").exists() and os.access(root / controller, os.W_OK):
            base[controller] = str(root / controller / NAME)
    return base if {"memory", "pids"} <= base.keys() else None


def _find_base_2(root: Path, own: Path) -> dict[str, str] | None:
    ours = next((line[3:].strip("/") for line in own.read_text().splitlines() if line.startswith("0::")), "")
    for parent in dict.fromkeys([root, root / ours] if os.geteuid() == 0 else [root / ours]):
        with contextlib.suppress(OSError):
            _pass_on(parent)
            folder = parent / NAME
            folder.mkdir(exist_ok=True)
            _pass_on(folder)
            return {"": str(folder)}
    return None


def _pass_on(folder: Path) -> None:
    """Lets the children of a version 2 folder have the controllers that we need."""
    wanted = " ".join(f"+{controller}" for controller in _CONTROLLERS_2)
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        # A folder with processes in it passes nothing on: those that are there (we) move into a leaf.
        leaf = folder / f"{NAME}-server"
        leaf.mkdir(exist_ok=True)
        for pid in (folder / "cgroup.procs").read_text().split():
            (leaf / "cgroup.procs").write_text(pid)
        (folder / "cgroup.subtree_control").write_text(wanted)


class Cgroup:
    """The group of one container: one folder per controller, or one for all in version 2."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = {controller: Path(folder) for controller, folder in folders.items()}

    @classmethod
    def create(cls, base: dict[str, str], name: str, limits: dict[str, Any]) -> Cgroup:
        """Makes the group ``name`` below a base with limits {"cpus", "memory", "processes"}, each a number or None.

        In version 1 only the controllers with something to limit take part: moving a process costs milliseconds for each.
        """
        wanted = {controller for controller, limit in _LIMITS.items() if limits.get(limit)} | {""}
        group = cls({controller: f"{folder}/{name}" for controller, folder in base.items() if controller in wanted})
        try:
            for folder in group.folders.values():
                _make(folder)
            group._limit(limits)
        except OSError:
            group.remove()
            raise
        return group

    def add(self, pid: int) -> None:
        """Puts a process, and all that it will start, into the group."""
        for folder in self.folders.values():
            (folder / "cgroup.procs").write_text(str(pid))

    def holds(self, controller: str) -> bool:
        """Whether the group limits "memory", "cpu" or "pids"."""
        return controller in self.folders or "" in self.folders

    def processes(self) -> list[int]:
        """Who is in the group."""
        for folder in self.folders.values():
            with contextlib.suppress(FileNotFoundError):
                return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
        return []

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the group for memory."""
        name = "memory.events" if "" in self.folders else "memory.oom_control"
        if not self.holds("memory"):
            return False
        with contextlib.suppress(FileNotFoundError):
            fields = (line.split() for line in (self._folder("memory") / name).read_text().splitlines())
            return any(key == "oom_kill" and int(count) > 0 for key, count in fields)
        return False

    def memory(self) -> int:
        """Bytes in use now, the page cache included. Raises FileNotFoundError when the group is gone."""
        name = "memory.current" if "" in self.folders else "memory.usage_in_bytes"
        return int((self._folder("memory") / name).read_text())

    def remove(self, patience: float = 5.0) -> None:
        """Removes the group, waiting up to ``patience`` seconds for its dead to be buried. Raises OSError when it stays."""
        deadline = time.monotonic() + patience
        for folder in self.folders.values():
            while folder.exists():
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.005)
            if "" not in self.folders:  # in version 2 the base keeps what it passes on
                with contextlib.suppress(OSError):
                    folder.parent.rmdir()  # nobody else's group is in it

    def _folder(self, controller: str) -> Path:
        return self.folders.get(controller) or self.folders[""]

    def _limit(self, limits: dict[str, Any]) -> None:
        memory, cpus, processes = limits.get("memory"), limits.get("cpus"), limits.get("processes")
        unified = "" in self.folders
        if processes:
            (self._folder("pids") / "pids.max").write_text(str(processes))
        if memory:
            folder = self._folder("memory")
            (folder / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(str(memory))
            # Without this the limit would only push the container into swap; kernels without swap accounting have no such file.
            swap, most = ("memory.swap.max", 0) if unified else ("memory.memsw.limit_in_bytes", memory)
            if (folder / swap).exists():
                (folder / swap).write_text(str(most))
        if cpus and (unified or "cpu" in self.folders):
            folder, quota = self._folder("cpu"), max(1000, int(cpus * _PERIOD))
            if unified:
                (folder / "cpu.max").write_text(f"{quota} {_PERIOD}")
            else:
                (folder / "cpu.cfs_period_us").write_text(str(_PERIOD))
                (folder / "cpu.cfs_quota_us").write_text(str(quota))


def _make(folder: Path) -> None:
    """Makes a folder and its parent, which the last container to end may be removing right now."""
    for _ in range(10):
        with contextlib.suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
            return
    folder.mkdir(parents=True, exist_ok=True)
