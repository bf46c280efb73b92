"""A feature: one part of control that makes kinds of records true, as the composition root sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sagewright.kernel.controller import Controller
from sagewright.kernel.engine import Engine
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Operations

Quirks = Mapping[str, Mapping[str, Any]]


class Feature:
    """What a feature does not need it leaves as it is here.

    ``rules`` (by operation) and ``quirks`` (by kind) are for Engine, ``controller`` is for the loop.
    """

    rules: Mapping[str, Sequence[Rule]] = MappingProxyType({})
    quirks: Quirks = MappingProxyType({})
    controller: Controller[Any, Any] | None = None

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes the operations that do not follow from the service model."""

    async def open(self) -> None:
        """Before the loop starts, also after ``reset``: adopts what runs."""

    async def reset(self) -> None:
        """Forgets everything, when rows and run folders are deleted behind the controller's back (test hooks)."""

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""


def controllers(features: Iterable[Feature]) -> list[Controller[Any, Any]]:
    """Of those that have one."""
    return [feature.controller for feature in features if feature.controller is not None]


def rules(features: Iterable[Feature]) -> dict[str, Sequence[Rule]]:
    """Of all, by operation."""
    return {operation: found for feature in features for operation, found in feature.rules.items()}


def quirks(features: Iterable[Feature]) -> dict[str, Mapping[str, Any]]:
    """Of all, by kind; where several fill in something of one kind they do so one after the other."""
    found: dict[str, Mapping[str, Any]] = {}
    for feature in features:
        for kind, new in feature.quirks.items():
            known = found.get(kind, {})
            fills = (*known.get("fills", ()), *new.get("fills", ()))
            found[kind] = {**known, **new, **({"fills": fills} if fills else {})}
    return found
