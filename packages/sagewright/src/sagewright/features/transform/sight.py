"""What the controller of transform jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagewright.features.transform.progress import Blueprint, Run
from sagewright.kernel.errands import ABSENT, Errand
from sagewright.serving.step import Move, Slot
from sagewright.serving.unit import Seen


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a job.

    ``containers`` in the order of the run's slots. ``work`` is how far the sending is, ``outcome`` what it wrote when it was done.
    Before the first look is saved, ``blueprint`` is what the job would run, or ``refusal`` says why it cannot. ``waiting`` says why
    there is no place on this machine yet (empty: there is).
    """

    containers: tuple[Seen, ...] = ()
    work: Errand = ABSENT
    outcome: dict[str, Any] | None = None
    blueprint: Blueprint | None = None
    refusal: str = ""
    waiting: str = ""
    placed: bool = True


@dataclass(frozen=True, slots=True)
class Reserve:
    """Takes a place on the machine; an ``adopted`` job runs already and gets one even when the machine is full."""

    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """One move with one attempt of a container."""

    run: Run
    slot: Slot
    move: Move


@dataclass(frozen=True, slots=True)
class Send:
    """Begins to send the objects through the containers."""

    run: Run


@dataclass(frozen=True, slots=True)
class Halt:
    """Ends the sending; what is done stays done."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Removes everything of the job but its row and its output."""


Action = Reserve | Act | Send | Halt | Clear
