"""What a container starts from: an interpreter, the layers over it, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """``env`` tells the toolkit of the layers; ``said`` is what the container's log begins with, or empty."""

    python: str
    layers: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
