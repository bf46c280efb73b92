"""What the store gives and takes: plain frozen values, nobody keeps a reference into the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagewright.base.world import World

Document = dict[str, Any]
Identity = tuple[World, str, str]
"""World, kind and key."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One row. ``spec`` is what the user sent, ``status`` what was observed; both JSON documents in AWS's spelling.

    ``key`` is unique per world and kind. ``name`` is what NameContains and SortBy=Name act on, ``state`` what StatusEquals acts
    on, ``parent`` the key of the owning resource where a kind is listed below another (else empty). ``due`` is when a
    controller must look again, in epoch seconds; None means settled. ``version`` counts writes: a save with an old version is
    refused.
    """

    world: World
    kind: str
    key: str
    arn: str = ""
    name: str = ""
    state: str = ""
    parent: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    created: float = 0.0
    modified: float = 0.0
    due: float | None = None

    @property
    def identity(self) -> Identity:
        return self.world, self.kind, self.key


class Exists(Exception):
    """A row with this world, kind and key is there already."""


class Stale(Exception):
    """The row was changed (or removed) since the version at hand was read: look again."""
