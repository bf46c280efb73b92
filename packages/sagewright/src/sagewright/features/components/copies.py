"""What an inference component runs: frozen values, kept as a document in the status of its row.

A crew is all copies of one specification. There is at most one that serves and one that is to take over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sagewright.serving.step import Slot, resized
from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Crew:
    """Copies of one specification; ``definition`` is what each starts from (blueprint.py)."""

    generation: int
    definition: Document = field(default_factory=dict)
    slots: tuple[Slot, ...] = ()

    @property
    def serves(self) -> bool:
        """Whether every copy has passed its health check."""
        return all(slot.served for slot in self.slots)

    @property
    def keeps(self) -> bool:
        """Whether its model is kept for copies to come (API InferenceComponentDataCacheConfig)."""
        return bool(self.definition.get("Specification", {}).get("DataCacheConfig", {}).get("EnableCaching"))

    def resized(self, count: int, highest: int) -> Crew:
        """See serving.step."""
        return replace(self, slots=resized(self.slots, count, highest))


@dataclass(frozen=True, slots=True)
class Leaving:
    """A copy that gets no more calls. ``stop_at``: when to ask it to end; ``asked``: when it was asked (0: not yet)."""

    generation: int
    index: int
    attempt: int
    stop_at: float
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rolling update under way since ``started``: ``new`` and ``old`` copies are wanted now. ``baking``: since when the last batch is
    healthy (0: it is not yet). ``back``: why it goes back, empty while it goes forward. ``config``: its DeploymentConfig. Times in
    epoch seconds.
    """

    started: float
    config: Document
    new: int
    old: int
    baking: float = 0.0
    back: str = ""

    @classmethod
    def of(cls, document: Document | None) -> Rollout | None:
        """From a row's document; rows of earlier versions have none."""
        return cls(**{_ROLLOUT[name]: value for name, value in document.items()}) if document else None

    def document(self) -> Document:
        """For a row's document."""
        return {name: getattr(self, member) for name, member in _ROLLOUT.items()}


_ROLLOUT = {"Started": "started", "Config": "config", "New": "new", "Old": "old", "Baking": "baking", "Back": "back"}


@dataclass(frozen=True, slots=True)
class Copies:
    """``active`` serves, ``target`` is to take over (``rollout``: batch by batch), ``leaving`` is on its way out, ``generation`` is the
    last one looked at."""

    active: Crew | None = None
    target: Crew | None = None
    leaving: tuple[Leaving, ...] = ()
    generation: int = 0
    rollout: Rollout | None = None

    @classmethod
    def of(cls, status: Any) -> Copies:
        """From the row's status document."""
        document = status.get("Copies") or {}
        leaving = tuple(
            Leaving(entry["Generation"], entry["Index"], entry["Attempt"], entry["StopAt"], entry["Asked"])
            for entry in document.get("Leaving", ())
        )
        rollout = Rollout.of(document.get("Rollout"))
        return cls(
            _crew(document.get("Active")), _crew(document.get("Target")), leaving, document.get("Generation", 0), rollout
        )

    def document(self) -> Document:
        """For the row's status document."""
        return {
            "Active": self.active and _crew_document(self.active),
            "Target": self.target and _crew_document(self.target),
            "Leaving": [
                {
                    "Generation": leaving.generation,
                    "Index": leaving.index,
                    "Attempt": leaving.attempt,
                    "StopAt": leaving.stop_at,
                    "Asked": leaving.asked,
                }
                for leaving in self.leaving
            ],
            "Generation": self.generation,
            "Rollout": self.rollout and self.rollout.document(),
        }

    def attempts(self) -> list[tuple[int, int, int]]:
        """Every copy that may have something on disk: generation, index, attempt."""
        crews = [crew for crew in (self.active, self.target) if crew is not None]
        slots = [(crew.generation, slot.index, slot.attempt) for crew in crews for slot in crew.slots]
        return slots + [(leaving.generation, leaving.index, leaving.attempt) for leaving in self.leaving]


def _crew(document: Document | None) -> Crew | None:
    if document is None:
        return None
    return Crew(document["Generation"], document["Definition"], tuple(Slot.of(slot) for slot in document["Slots"]))


def _crew_document(crew: Crew) -> Document:
    return {
        "Generation": crew.generation,
        "Definition": crew.definition,
        "Slots": [slot.document() for slot in crew.slots],
    }
