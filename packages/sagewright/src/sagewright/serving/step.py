"""What to do next with one serving container. Pure; the rows of the table are the lines of ``step`` and ``step_out``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from sagewright.compute.runtime import SERVER_STOPPED
from sagewright.serving.unit import Seen
from sagewright.store.rows import Document

GRACE_SECONDS = 30.0
"""Developer Guide, your-algorithms-inference-code: SIGTERM, then 30 seconds, then SIGKILL."""
START_ATTEMPTS = 3
"""Containers of a new replica that may end before the whole is given up."""
SILENCE_SECONDS = 120.0
"""A serving container that answers no health check for so long is replaced."""
LONGEST_BACKOFF = 60.0
STABLE_SECONDS = 60.0
"""A container that lived longer than this is restarted at once."""
FETCH_AGAIN_SECONDS = 10.0
WAIT_SECONDS = 1.0
"""Between two looks at what changes; the end of an errand or the first good ping is told at once."""
WATCH_SECONDS = 5.0
"""Between two looks at what serves; the end of a container is told at once by its shim."""
ROOM_SECONDS = 2.0
"""Between two looks for room on the machine."""
NEVER = float("inf")


class Move(Enum):
    """What can be done with a container."""

    PREPARE = auto()
    """Begin to bring the model in."""
    FORGET = auto()
    """Forget that the model could not be brought in."""
    START = auto()
    ASK = auto()
    """SIGTERM."""
    KILL = auto()
    """SIGKILL."""
    DISCARD = auto()
    """Take down what is left of this attempt."""
    REMOVE = auto()
    """The same, and the model with it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One container that should run.

    ``attempt`` counts its containers, ``start_at`` is when the present one may start (epoch seconds), ``served`` whether it has
    passed its health check.
    """

    index: int
    attempt: int = 1
    start_at: float = 0.0
    served: bool = False

    @classmethod
    def of(cls, document: Document) -> Slot:
        """From a row's document."""
        return cls(document["Index"], document["Attempt"], document["StartAt"], document["Served"])

    def document(self) -> Document:
        """For a row's document."""
        return {"Index": self.index, "Attempt": self.attempt, "StartAt": self.start_at, "Served": self.served}


def resized(slots: tuple[Slot, ...], count: int, highest: int) -> tuple[Slot, ...]:
    """``count`` of them: the last ones go first, new ones get indexes above ``highest``, the highest one that still leaves."""
    if count <= len(slots):
        return slots[:count]
    following = 1 + max((highest, *(slot.index for slot in slots)))
    return slots + tuple(Slot(following + offset) for offset in range(count - len(slots)))


@dataclass(frozen=True, slots=True)
class Step:
    """The slot as it is now, what to do with the attempt it was, when to look again, why it has failed for good (or empty), and what
    keeps it from being started."""

    slot: Slot
    moves: tuple[Move, ...] = ()
    due: float = NEVER
    failed: str = ""
    waits: str = ""


def step(slot: Slot, seen: Seen, now: float, *, patient: bool, startup_timeout: float, unhealthy: str) -> Step:
    """``patient``: the container is tried for ever, else three times; ``unhealthy`` is what its failure is called."""
    match seen.container.state:
        case "exited" | "lost":
            return _ended(slot, seen, now, patient, unhealthy)
        case "running":
            return _running(slot, seen, now, patient, startup_timeout, unhealthy)
    if now < slot.start_at:
        return Step(slot, due=slot.start_at)
    match seen.model:
        case "failed" if patient:
            return Step(replace(slot, start_at=now + FETCH_AGAIN_SECONDS), (Move.FORGET,), now + FETCH_AGAIN_SECONDS)
        case "failed":
            return Step(slot, failed=seen.problem)
        case "absent":
            return Step(slot, (Move.PREPARE,), now + WAIT_SECONDS)
        case "coming":
            return Step(slot, due=now + WAIT_SECONDS)
    if seen.waits:
        return Step(slot, due=now + ROOM_SECONDS, waits=seen.waits)
    return Step(replace(slot, served=False), (Move.START,), now + WAIT_SECONDS)


@dataclass(frozen=True, slots=True)
class StepOut:
    """When the container was asked to end (0: not yet), whether it is gone, what to do, when to look again."""

    asked: float
    gone: bool = False
    moves: tuple[Move, ...] = ()
    due: float = NEVER


def step_out(asked: float, stop_at: float, seen: Seen, now: float) -> StepOut:
    """A container on its way out: it is asked to end at ``stop_at``."""
    if seen.container.state != "running":
        return StepOut(asked, True, (Move.REMOVE,), now)
    if now < stop_at:
        return StepOut(asked, due=stop_at)
    if not asked:
        return StepOut(now, moves=(Move.ASK,), due=now + WAIT_SECONDS)
    if now < asked + GRACE_SECONDS:
        return StepOut(asked, due=min(now + WAIT_SECONDS, asked + GRACE_SECONDS))
    return StepOut(asked, moves=(Move.KILL,), due=now + WAIT_SECONDS)


def _ended(slot: Slot, seen: Seen, now: float, patient: bool, unhealthy: str) -> Step:
    if seen.container.reason == SERVER_STOPPED:
        return Step(Slot(slot.index, slot.attempt, start_at=now), (Move.DISCARD,), now)
    if not patient and slot.attempt >= START_ATTEMPTS:
        return Step(slot, failed=" ".join(filter(None, (unhealthy, ending(seen), seen.preflight))))
    lived = (seen.container.ended or 0.0) - (seen.container.started or 0.0)
    wait = 0.0 if lived > STABLE_SECONDS else min(LONGEST_BACKOFF, 0.25 * 2 ** min(slot.attempt, 10))
    return Step(Slot(slot.index, slot.attempt + 1, start_at=now + wait), (Move.DISCARD,), now + wait)


def _running(slot: Slot, seen: Seen, now: float, patient: bool, startup_timeout: float, unhealthy: str) -> Step:
    if slot.served:
        if seen.silent > SILENCE_SECONDS:
            return Step(replace(slot, served=False), (Move.KILL,), now + WAIT_SECONDS)
        return Step(slot, due=now + WATCH_SECONDS)
    if seen.healthy:
        return Step(replace(slot, served=True), due=now + WATCH_SECONDS)
    if now - (seen.container.started or now) < startup_timeout:
        return Step(slot, due=now + WAIT_SECONDS)
    if patient:
        return Step(slot, (Move.KILL,), now + WAIT_SECONDS)
    return Step(slot, failed=f"{unhealthy} {seen.preflight}".strip())


def ending(seen: Seen) -> str:
    """How a container ended, for the user."""
    if seen.container.state == "lost":
        return "The container disappeared."
    return f"The container ended: {seen.container.reason or f'exit code {seen.container.code}'}."
