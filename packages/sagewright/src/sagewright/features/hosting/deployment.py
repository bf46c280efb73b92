"""What an endpoint runs: frozen values, kept as a document in the status of the endpoint's row.

A deployment copies what it needs of the endpoint configuration and the models, as AWS does: they may be deleted while the
endpoint serves, and a replica that dies years later is still restarted from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sagewright.features.hosting.rollout import Rollout
from sagewright.serving.step import Slot, resized
from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Place:
    """Names one replica of one endpoint for ever: fleet generation, variant, index."""

    generation: int
    variant: str
    index: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.variant}-{self.index}"


@dataclass(frozen=True, slots=True)
class VariantFleet:
    """One production variant: its container as the model defines it, its weight, and its replicas.

    ``serverless`` is its ServerlessConfig, if it has one; then only the first ``awake`` slots run (serverless.py). ``managed``: fewest
    and most instances of one that has as many as the inference components on it need (managed.py).
    """

    name: str
    model: str
    container: Document
    weight: float
    instance_type: str = ""
    startup_timeout: float = 240.0
    download_timeout: float = 3600.0
    role: str = ""
    isolated: bool = False
    slots: tuple[Slot, ...] = ()
    serverless: Document = field(default_factory=dict)
    awake: int = 0
    managed: tuple[int, int] | None = None
    routing: str = ""
    volume: int = 0

    @property
    def running(self) -> tuple[Slot, ...]:
        """The slots whose containers should run."""
        return self.slots[: self.awake] if self.serverless else self.slots

    def resized(self, count: int, highest: int) -> VariantFleet:
        """See serving.step."""
        return replace(self, slots=resized(self.slots, count, highest))


@dataclass(frozen=True, slots=True)
class Fleet:
    """All variants of one endpoint configuration, deployed together. ``generation`` grows with every update.

    ``shadows`` get copies of the calls, and nobody sees their answers. ``capture`` is the DataCaptureConfig in force, ``asynchronous``
    the configuration's AsyncInferenceConfig, ``metrics`` its MetricsConfig, if it has one.
    """

    generation: int
    config: str
    variants: tuple[VariantFleet, ...]
    shadows: tuple[VariantFleet, ...] = ()
    capture: Document | None = None
    asynchronous: Document = field(default_factory=dict)
    metrics: Document = field(default_factory=dict)

    @property
    def everything(self) -> tuple[VariantFleet, ...]:
        """The variants that serve, and their shadows."""
        return self.variants + self.shadows

    @property
    def serves(self) -> bool:
        """Whether every replica has passed its health check."""
        return all(slot.served for variant in self.everything for slot in variant.running)

    def each(self, change: Callable[[VariantFleet], VariantFleet]) -> Fleet:
        """With every variant and shadow changed."""
        return replace(self, variants=tuple(map(change, self.variants)), shadows=tuple(map(change, self.shadows)))

    def place(self, variant: VariantFleet, slot: Slot) -> Place:
        """The name of a slot."""
        return Place(self.generation, variant.name, slot.index)

    def variant(self, name: str) -> VariantFleet | None:
        """The variant or shadow with this name."""
        return next((variant for variant in self.everything if variant.name == name), None)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A replica that gets no more calls. ``stop_at``: when to ask it to end; ``asked``: when it was asked (0: not yet)."""

    place: Place
    attempt: int
    stop_at: float
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """``active`` serves, ``target`` is to take over, ``leaving`` is on its way out, ``generation`` is the last one looked at.

    ``rollout`` says how far the target has taken over, or why it has just been given up. ``refused`` is the last change of weights
    and capacities that could not be made true.
    """

    active: Fleet | None = None
    target: Fleet | None = None
    leaving: tuple[Leaving, ...] = ()
    generation: int = 0
    rollout: Rollout | None = None
    refused: int = 0

    @classmethod
    def of(cls, status: Any) -> Deployment:
        """From the row's status document."""
        document = status.get("Deployment") or {}
        return cls(
            _fleet(document.get("Active")),
            _fleet(document.get("Target")),
            tuple(
                Leaving(
                    Place(entry["Generation"], entry["Variant"], entry["Index"]),
                    entry["Attempt"],
                    entry["StopAt"],
                    entry["Asked"],
                )
                for entry in document.get("Leaving", ())
            ),
            document.get("Generation", 0),
            Rollout.of(document.get("Rollout")) or (Rollout(0.0, 0.0) if document.get("Target") else None),
            document.get("Refused", 0),
        )

    def document(self) -> Document:
        """For the row's status document."""
        return {
            "Active": self.active and _fleet_document(self.active),
            "Target": self.target and _fleet_document(self.target),
            "Leaving": [
                {
                    "Generation": leaving.place.generation,
                    "Variant": leaving.place.variant,
                    "Index": leaving.place.index,
                    "Attempt": leaving.attempt,
                    "StopAt": leaving.stop_at,
                    "Asked": leaving.asked,
                }
                for leaving in self.leaving
            ],
            "Generation": self.generation,
            "Rollout": self.rollout and self.rollout.document(),
            "Refused": self.refused,
        }

    def names(self) -> set[str]:
        """Of all variants there are or were."""
        fleets = [fleet for fleet in (self.active, self.target) if fleet is not None]
        serving = {variant.name for fleet in fleets for variant in fleet.variants}
        return serving | {leaving.place.variant for leaving in self.leaving}

    def attempts(self) -> list[tuple[Place, int]]:
        """Every replica that may have something on disk: place and attempt."""
        fleets = [fleet for fleet in (self.active, self.target) if fleet is not None]
        slots = [
            (fleet.place(variant, slot), slot.attempt)
            for fleet in fleets
            for variant in fleet.everything
            for slot in variant.slots
        ]
        return slots + [(leaving.place, leaving.attempt) for leaving in self.leaving]


def _fleet(document: Document | None) -> Fleet | None:
    if document is None:
        return None
    variants, shadows = (tuple(map(_variant, document.get(member, ()))) for member in ("Variants", "Shadows"))
    capture, asynchronous, metrics = document.get("Capture"), document.get("Asynchronous", {}), document.get("Metrics", {})
    return Fleet(document["Generation"], document["Config"], variants, shadows, capture, asynchronous, metrics)


def _variant(document: Document) -> VariantFleet:
    return VariantFleet(
        document["Name"],
        document["Model"],
        document["Container"],
        document["Weight"],
        document["InstanceType"],
        document["StartupTimeout"],
        document["DownloadTimeout"],
        document["Role"],
        document.get("Isolated", False),
        tuple(Slot.of(slot) for slot in document["Slots"]),
        document.get("Serverless", {}),
        document.get("Awake", 0),
        (document["Managed"][0], document["Managed"][1]) if "Managed" in document else None,
        document.get("Routing", ""),
        document.get("Volume", 0),
    )


def _fleet_document(fleet: Fleet) -> Document:
    return {
        "Generation": fleet.generation,
        "Config": fleet.config,
        "Variants": [_variant_document(variant) for variant in fleet.variants],
        "Shadows": [_variant_document(variant) for variant in fleet.shadows],
        "Capture": fleet.capture,
        **({"Asynchronous": fleet.asynchronous} if fleet.asynchronous else {}),
        **({"Metrics": fleet.metrics} if fleet.metrics else {}),
    }


def _variant_document(variant: VariantFleet) -> Document:
    return {
        "Name": variant.name,
        "Model": variant.model,
        "Container": dict(variant.container),
        "Weight": variant.weight,
        "InstanceType": variant.instance_type,
        "StartupTimeout": variant.startup_timeout,
        "DownloadTimeout": variant.download_timeout,
        "Role": variant.role,
        "Isolated": variant.isolated,
        "Slots": [slot.document() for slot in variant.slots],
        **({"Serverless": dict(variant.serverless), "Awake": variant.awake} if variant.serverless else {}),
        **({"Managed": list(variant.managed)} if variant.managed is not None else {}),
        "Routing": variant.routing,
        "Volume": variant.volume,
    }
