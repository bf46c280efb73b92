"""Where a transform job stands: frozen values, kept as a document in the status of its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagewright.serving.step import Slot
from sagewright.store.rows import Document

TERMINAL = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What the job runs: the model's container and role as they were when the job started, and how many of it."""

    container: Document
    role: str
    count: int
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How the job ends, known before its containers are gone."""

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """``stream`` is the epoch second in the names of the log streams; ``asked`` when the containers were asked to end (0: not yet)."""

    blueprint: Blueprint
    stream: int
    slots: tuple[Slot, ...]
    result: Result | None = None
    asked: float = 0.0

    @property
    def serves(self) -> bool:
        """Whether every container has passed its health check."""
        return all(slot.served for slot in self.slots)

    @classmethod
    def of(cls, status: Any) -> Run | None:
        """From the row's status document; None before the first look."""
        document = status.get("Run")
        if document is None:
            return None
        result = document["Result"]
        return cls(
            Blueprint(document["Container"], document["Role"], document["Count"], document.get("Isolated", False)),
            document["Stream"],
            tuple(Slot.of(slot) for slot in document["Slots"]),
            None if result is None else Result(result["State"], result["Reason"]),
            document["Asked"],
        )

    def document(self) -> Document:
        """For the row's status document."""
        return {
            "Container": dict(self.blueprint.container),
            "Role": self.blueprint.role,
            "Count": self.blueprint.count,
            "Isolated": self.blueprint.isolated,
            "Stream": self.stream,
            "Slots": [slot.document() for slot in self.slots],
            "Result": self.result and {"State": self.result.state, "Reason": self.result.reason},
            "Asked": self.asked,
        }
