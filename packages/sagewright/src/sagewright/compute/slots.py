"""Who may run on this machine now: places for instances and GPUs, by the key of their job; all that a job needs at once, or nothing.

So jobs of several instances cannot block one another half-way. A job that wants more than there is gets everything and runs alone.
Who must wait stands in line by asking again and again; a small job may go past a large one, but not for ever. Spot jobs have what
nobody else wants: they stand behind all others, and when one of those cannot be served otherwise, they are reclaimed.

Lives in memory: after a restart running jobs are adopted, with the GPUs that they were given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sagewright.compute.placement import Machine

_GONE_SECONDS = 30.0
"""One who stands in line asks every few seconds; who has not for so long is not there any more."""
_OVERTAKEN_SECONDS = 60.0
"""For how long smaller jobs may go past one that waits for many places."""

Devices = tuple[tuple[str, ...], ...]
"""The GPUs of each instance of a job, by their ids on this machine."""


def _nobody() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Need:
    """``gpus`` is how many each instance has on AWS, where any has one. ``spot``: it can be interrupted.

    Where a need is asked for, a number alone is of places.
    """

    places: int = 1
    gpus: tuple[int, ...] = ()
    spot: bool = False


ONE = Need()


@dataclass(frozen=True, slots=True)
class _Wish:
    """What somebody in line wants (places and GPUs), since when, when it last asked, how it is told that its time may have come."""

    need: Need
    wanted: tuple[int, int]
    since: float
    asked: float
    told: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Held:
    """What a job has; ``told`` when it must give it back."""

    need: Need
    places: int
    devices: Devices
    told: Callable[[], None]

    @property
    def gpus(self) -> int:
        return sum(map(len, self.devices))


@dataclass(slots=True)
class Slots:
    """See the module docstring. ``count`` places, ``gpus`` by id; ``held`` in the order of taking, ``line`` of asking."""

    count: int
    gpus: tuple[str, ...] = ()
    held: dict[str, _Held] = field(default_factory=dict)
    line: dict[str, _Wish] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, machine: Machine) -> Slots:
        """Two instances for each core, so that one that waits for data does not keep a core idle; four at least."""
        return cls(max(4, 2 * machine.cpus), machine.gpus)

    def holds(self, key: str) -> bool:
        return key in self.held

    def devices(self, key: str) -> Devices:
        """The GPUs of who holds places; nothing for who does not."""
        return self.held[key].devices if key in self.held else ()

    def taken(self) -> set[str]:
        """The GPUs that somebody holds."""
        return {device for held in self.held.values() for given in held.devices for device in given}

    def reclaimed(self, key: str) -> bool:
        """Whether a spot job has to go, because another job needs what it has."""
        return key in self.leaving

    def ask(self, key: str, need: Need | int = ONE, told: Callable[[], None] = _nobody) -> str:
        """Why this cannot be had now, or "". Who is refused stands in line; ``told`` is a hint, not a promise."""
        need = Need(need) if isinstance(need, int) else need
        if key in self.held or self._free_for(key, need):
            return ""
        now = self.clock()
        since = self.line[key].since if key in self.line else now
        self.line[key] = _Wish(need, self._wanted(need), since, now, told)  # one who asks again keeps its place in the line
        self._reclaim()
        return self._reason(need)

    def take(
        self,
        key: str,
        need: Need | int = ONE,
        adopted: bool = False,
        devices: Devices | None = None,
        told: Callable[[], None] = _nobody,
    ) -> bool:
        """Whether ``key`` has what it needs now. An ``adopted`` one runs already, with these ``devices``, and gets it in any case."""
        need = Need(need) if isinstance(need, int) else need
        if key not in self.held:
            if not adopted and not self._free_for(key, need):
                return False
            given = self._choose(need) if devices is None else devices
            self.held[key] = _Held(need, min(need.places, self.count), given, told)
            self._leave_line(key)
        return True

    def pass_on(self, key: str, other: str) -> None:
        """``other`` has from now on what ``key`` had (a warm pool)."""
        if key in self.held:
            self.held[other] = self.held.pop(key)
            self._leave_line(other)

    def give_back(self, key: str) -> None:
        """Frees everything; nothing happens when there is nothing."""
        self.leaving.discard(key)
        if self.held.pop(key, None) is not None or key in self.line:
            self._leave_line(key)

    def forget(self, prefix: str) -> None:
        """Frees what all keys with this beginning have."""
        for key in [key for key in (*self.held, *self.line) if key.startswith(prefix)]:
            self.give_back(key)

    @property
    def _used(self) -> int:
        return sum(held.places for held in self.held.values())

    @property
    def _free(self) -> tuple[int, int]:
        """Places and GPUs; below zero where more was adopted than there is."""
        return self.count - self._used, len(self.gpus) - sum(held.gpus for held in self.held.values())

    def _wanted(self, need: Need) -> tuple[int, int]:
        """Places and GPUs, at most all that there are."""
        return min(need.places, self.count), min(sum(need.gpus), len(self.gpus))

    def _free_for(self, key: str, need: Need) -> bool:
        now, free = self.clock(), self._free
        for other, wish in self._before(key, need.spot):
            if now - wish.asked > _GONE_SECONDS:
                del self.line[other]
            elif wish.need.spot < need.spot or now - wish.since >= _OVERTAKEN_SECONDS or _covers(free, wish.wanted):
                return False
        return _covers(free, self._wanted(need))

    def _before(self, key: str, spot: bool) -> list[tuple[str, _Wish]]:
        """Who in line comes before ``key``: who asked first of its kind, and before a spot job every other job."""
        found: list[tuple[str, _Wish]] = []
        own = True
        for other, wish in self.line.items():
            own = own and other != key
            if other != key and (wish.need.spot < spot or (own and wish.need.spot == spot)):
                found.append((other, wish))
        return found

    def _reclaim(self) -> None:
        """Has spot jobs leave, the last to begin first, as far as that serves those that stand in line for good."""
        if not any(held.need.spot for held in self.held.values()):
            return
        free = self._free
        for key in self.leaving:
            free = _plus(free, self.held[key])
        now = self.clock()
        for wish in [wish for wish in self.line.values() if not wish.need.spot and now - wish.asked <= _GONE_SECONDS]:
            wanted, chosen = wish.wanted, []
            for key in [key for key in reversed(self.held) if self.held[key].need.spot and key not in self.leaving]:
                if _covers(free, wanted):
                    break
                free = _plus(free, self.held[key])
                chosen.append(key)
            if not _covers(free, wanted):
                return  # the first in line cannot be helped in this way, and the others wait for it
            free = free[0] - wanted[0], free[1] - wanted[1]
            for key in chosen:
                self.leaving.add(key)
                self.held[key].told()

    def _choose(self, need: Need) -> Devices:
        """Free GPUs, lowest first; the first instances have theirs where there are not enough for all."""
        taken = self.taken()
        free = [device for device in self.gpus if device not in taken]
        given = []
        for wanted in need.gpus:
            given.append(tuple(free[:wanted]))
            free = free[wanted:]
        return tuple(given)

    def _reason(self, need: Need) -> str:
        """In words, for StatusMessage."""
        wanted, free = self._wanted(need), self._free
        before = "; a job that has waited longer comes first" if _covers(free, wanted) else ""
        if wanted[1] > free[1] and wanted[0] <= free[0]:
            total = len(self.gpus)
            return f"Waiting for {_count(wanted[1], 'GPU')}: this machine has {total}, and {total - free[1]} are taken"
        places = "a place" if need.places == 1 else f"{need.places} places at once"
        return f"Waiting for {places}: this machine runs {self.count} instances at once, and {self._used} are taken{before}"

    def _leave_line(self, key: str) -> None:
        """Tells those that may be served now, and nobody else: a long line would look a hundred times for one place."""
        self.line.pop(key, None)
        free = self._free
        for wish in sorted(self.line.values(), key=lambda wish: wish.need.spot):
            if _covers(free, wish.wanted):
                free = free[0] - wish.wanted[0], free[1] - wish.wanted[1]
                wish.told()


def _covers(free: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """No GPU is short where none is wanted, even when too many were adopted."""
    return free[0] >= wanted[0] and (not wanted[1] or free[1] >= wanted[1])


def _plus(free: tuple[int, int], held: _Held) -> tuple[int, int]:
    return free[0] + held.places, free[1] + held.gpus


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
