"""Adapters of inference components as values: what is kept in the row, what is seen of them, what can be done.

An adapter has no copies: it is loaded into every copy of its base component and answers from there (API InferenceComponentSpecification,
BaseInferenceComponentName).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sagewright.features.components.sight import Key
from sagewright.store.rows import Document, Resource


@dataclass(frozen=True, slots=True)
class Artefact:
    """An adapter as containers know it: a name that no other one ever has, and the archive it comes from."""

    identifier: str
    url: str

    @classmethod
    def wanted(cls, row: Resource) -> Artefact:
        """Of a row's present specification."""
        url = str(row.spec["Specification"]["Container"]["ArtifactUrl"])
        digest = hashlib.sha256(f"{row.arn}/{row.created}/{row.spec.get('Generation', 1)}/{url}".encode()).hexdigest()
        return cls(f"{row.key}-{digest[:8]}", url)


@dataclass(frozen=True, slots=True)
class Held:
    """``artefact`` answers since ``since`` (epoch seconds); ``refused`` is the last generation that could not be loaded."""

    artefact: Artefact | None = None
    since: float = 0.0
    refused: int = 0

    @classmethod
    def of(cls, status: Any) -> Held:
        """From the row's status document."""
        document = status.get("Adapter") or {}
        found = Artefact(document["Identifier"], document["Url"]) if document.get("Identifier") else None
        return cls(found, document.get("Since", 0.0), document.get("Refused", 0))

    def document(self) -> Document:
        """For the row's status document."""
        identifier, url = (self.artefact.identifier, self.artefact.url) if self.artefact else ("", "")
        return {"Identifier": identifier, "Url": url, "Since": self.since, "Refused": self.refused}


@dataclass(frozen=True, slots=True)
class Place:
    """A copy of the base that is healthy. ``stays``: it is not on its way out; ``active``: it gets the base's calls.

    ``loaded``: identifiers of this adapter's that it has taken; ``problem``: why the one that is to be loaded cannot be.
    """

    key: Key
    loaded: frozenset[str] = frozenset()
    problem: str = ""
    stays: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True)
class AdapterSight:
    """One look. ``ready``: the base serves; ``refusal`` says why it never can carry this adapter. ``variant`` is the base's."""

    places: tuple[Place, ...] = ()
    ready: bool = False
    refusal: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """Begins to bring the adapter into a copy of the base."""

    key: Key
    artefact: Artefact


@dataclass(frozen=True, slots=True)
class Unload:
    """Takes an adapter out of a copy."""

    key: Key
    identifier: str


@dataclass(frozen=True, slots=True)
class Answer:
    """These copies of the base answer with the adapter."""

    keys: tuple[Key, ...]
    identifier: str
    variant: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """What is on its way does not come."""


AdapterAction = Load | Unload | Answer | Abandon


def base_of(row: Resource) -> str:
    """The name of the base component, empty for a component that is no adapter."""
    return str(row.spec.get("Specification", {}).get("BaseInferenceComponentName", ""))
