"""What the controller of inference components sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sagewright.features.components.copies import Crew
from sagewright.serving.step import Move
from sagewright.serving.unit import Seen
from sagewright.store.rows import Document

Key = tuple[int, int, int]
"""A copy's generation, index and attempt."""
NOTHING = Seen()


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a component.

    ``room``: for how many copies the variant's instances have room. When a new generation is asked for, ``wanted`` is its crew (still
    without copies), or ``refusal`` says why it cannot be.
    ``alarms``: those of the update under way that are in state ALARM. ``kept``: generations of which a model is kept on disk;
    ``instances``: how many the variant has, None while that is not known.
    """

    copies: Mapping[Key, Seen] = field(default_factory=dict)
    room: int = 0
    wanted: Crew | None = None
    refusal: str = ""
    alarms: tuple[str, ...] = ()
    kept: frozenset[int] = frozenset()
    instances: int | None = None

    def of(self, key: Key) -> Seen:
        """What was seen of a copy."""
        return self.copies.get(key, NOTHING)


@dataclass(frozen=True, slots=True)
class Act:
    """One move with one attempt of a copy; what it starts from is given only where it is needed."""

    move: Move
    key: Key
    definition: Document | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """These copies answer for the component, as part of the variant."""

    copies: tuple[Key, ...]
    variant: str


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Nobody answers for the component any more."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Removes the model that is kept of a generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Removes the component's folder."""


Action = Act | Publish | Unpublish | Drop | Clear
