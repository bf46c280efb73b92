"""What an instance type means on this machine, and how many jobs it takes at once.

An ``ml.*`` type becomes limits: the vCPUs and memory AWS gives it, as far as this machine has them. Jobs share the machine in
slots, not by adding those numbers up: a laptop has fewer cores than one ml.m5.24xlarge, and waiting for more would be for ever.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sagewright.compute.runtime import Limits

GIB = 1024**3

_TYPE = re.compile(r"ml\.([a-z]+)(\d+)([a-z0-9-]*)\.(medium|large|(\d*)xlarge)")
_GIB_PER_CPU: Mapping[str, float] = {
    "c4": 1.875,
    "c": 2,
    "m": 4,
    "r": 8,
    "t": 4,
    "g": 4,
    "p2": 15.25,
    "p3": 7.625,
    "p4": 12,
    "p": 10.67,
}
"""By family and generation, else by family. From the EC2 instance type pages; families not named have 4 GiB."""
_ACCELERATED = frozenset({"g", "p", "trn", "inf", "dl"})
_SPARE = 0.9
"""The share of the machine's memory one container may use at most: the server and its objects live here, too."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores this process may use and memory in bytes."""

    cpus: int
    memory: int

    @classmethod
    def here(cls) -> Machine:
        """This machine."""
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(cpus, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


@dataclass(frozen=True, slots=True)
class Size:
    """What AWS gives an instance type: vCPUs, memory in bytes, whether it has GPUs or other accelerators."""

    cpus: int
    memory: int
    accelerated: bool


def size(instance_type: str) -> Size:
    """Of any ``ml.*`` type; one that cannot be read counts as two vCPUs with 8 GiB."""
    found = _TYPE.fullmatch(instance_type)
    if found is None:
        return Size(2, 8 * GIB, False)
    family, generation, _, word, times = found.groups()
    cpus = {"medium": 2 if family == "t" else 1, "large": 2}.get(word) or 4 * int(times or 1)
    memory = 2.0 if word == "medium" and family == "t" else _GIB_PER_CPU.get(family + generation, _GIB_PER_CPU.get(family, 4))
    return Size(cpus, int(cpus * memory * GIB), family in _ACCELERATED)


def limits(instance_type: str, volume_gb: int, machine: Machine) -> Limits:
    """The limits of a container on an instance of this type with a volume of that many GB (0: the type's own disk)."""
    wanted = size(instance_type)
    memory = min(wanted.memory, int(machine.memory * _SPARE))
    return Limits(cpus=float(min(wanted.cpus, machine.cpus)), memory=memory, disk=volume_gb * GIB or None)


def notice(instance_type: str) -> str:
    """What the user should know about this type here; mostly nothing."""
    if size(instance_type).accelerated:
        return (
            f"{instance_type} has accelerators, which containers do not get in this version of Sagewright: the job runs on CPU."
        )
    return ""


@dataclass(slots=True)
class Slots:
    """Places for jobs on this machine, by key. Lives in memory: after a restart running jobs are adopted."""

    count: int
    taken: set[str] = field(default_factory=set)
    waiting: dict[str, Callable[[], None]] = field(default_factory=dict)

    @classmethod
    def of(cls, machine: Machine) -> Slots:
        """Two jobs for each core, so that one that waits for data does not keep a core idle; four at least."""
        return cls(max(4, 2 * machine.cpus))

    def holds(self, key: str) -> bool:
        return key in self.taken

    @property
    def full(self) -> bool:
        return len(self.taken) >= self.count

    def take(self, key: str, adopted: bool = False) -> bool:
        """Whether ``key`` has a place now. An ``adopted`` one runs already and gets it in any case."""
        if key not in self.taken and self.full and not adopted:
            return False
        self.taken.add(key)
        return True

    def wait(self, key: str, told: Callable[[], None]) -> None:
        """Has ``told`` called when a place becomes free; a hint, not a promise."""
        self.waiting[key] = told

    def give_back(self, key: str) -> None:
        """Frees the place; nothing happens when there is none."""
        self.waiting.pop(key, None)
        if key in self.taken:
            self.taken.remove(key)
            waiting, self.waiting = self.waiting, {}
            for told in waiting.values():
                told()
