"""What an instance type means on this machine, and how many jobs it takes at once.

An ``ml.*`` type becomes limits: the vCPUs and memory AWS gives it, as far as this machine has them. Jobs share the machine in
slots, not by adding those numbers up: a laptop has fewer cores than one ml.m5.24xlarge, and waiting for more would be for ever.
"""

from __future__ import annotations

import os
import re
import time
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
_GONE_SECONDS = 30.0
"""One who stands in line asks every second; who has not for so long is not there any more."""
_OVERTAKEN_SECONDS = 60.0
"""For how long smaller jobs may go past one that waits for many places."""
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


@dataclass(frozen=True, slots=True)
class _Wish:
    """What somebody in line wants, since when, when it last asked, and how it is told that its time may have come."""

    places: int
    since: float
    asked: float
    told: Callable[[], None]


@dataclass(slots=True)
class Slots:
    """Places for instances on this machine, by the key of their job: all that a job needs at once, or none.

    So jobs of several instances cannot block one another half-way. A job that wants more places than there are gets them all.
    Who must wait stands in line by asking again and again; a small job may go past a large one, but not for ever. Lives in
    memory: after a restart running jobs are adopted.
    """

    count: int
    taken: dict[str, int] = field(default_factory=dict)
    line: dict[str, _Wish] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, machine: Machine) -> Slots:
        """Two instances for each core, so that one that waits for data does not keep a core idle; four at least."""
        return cls(max(4, 2 * machine.cpus))

    def holds(self, key: str) -> bool:
        return key in self.taken

    def ask(self, key: str, places: int = 1, told: Callable[[], None] = lambda: None) -> str:
        """Why ``places`` cannot be had now, or "". Who is refused stands in line; ``told`` is a hint, not a promise."""
        if key in self.taken or self._free_for(key, places):
            return ""
        now = self.clock()
        since = self.line[key].since if key in self.line else now
        self.line[key] = _Wish(places, since, now, told)  # one who asks again keeps its place in the line
        wanted = "a place" if places == 1 else f"{places} places at once"
        before = "; a job that has waited longer comes first" if self._fits(places) else ""
        return f"Waiting for {wanted}: this machine runs {self.count} instances at once, and {self._used} are taken{before}"

    def take(self, key: str, places: int = 1, adopted: bool = False) -> bool:
        """Whether ``key`` has its places now. An ``adopted`` one runs already and gets them in any case."""
        if key not in self.taken:
            if not adopted and not self._free_for(key, places):
                return False
            self.taken[key] = min(places, self.count)
            self._leave_line(key)
        return True

    def give_back(self, key: str) -> None:
        """Frees the places; nothing happens when there are none."""
        if self.taken.pop(key, None) is not None or key in self.line:
            self._leave_line(key)

    def forget(self, prefix: str) -> None:
        """Frees the places of all keys with this beginning."""
        for key in [key for key in (*self.taken, *self.line) if key.startswith(prefix)]:
            self.give_back(key)

    @property
    def _used(self) -> int:
        return sum(self.taken.values())

    def _free_for(self, key: str, places: int) -> bool:
        now = self.clock()
        for other, wish in list(self.line.items()):
            if other == key:
                break
            if now - wish.asked > _GONE_SECONDS:
                del self.line[other]
            elif self._fits(wish.places) or now - wish.since >= _OVERTAKEN_SECONDS:
                return False  # it is before us
        return self._fits(places)

    def _fits(self, places: int) -> bool:
        return self._used + min(places, self.count) <= self.count

    def _leave_line(self, key: str) -> None:
        """Tells those that may be served now, and nobody else: a long line would look a hundred times for one place."""
        self.line.pop(key, None)
        left = self.count - self._used
        for wish in list(self.line.values()):
            if min(wish.places, self.count) <= left:
                left -= min(wish.places, self.count)
                wish.told()
