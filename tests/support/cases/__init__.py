"""What each algorithm contributes to the suites that all of them inherit.

One module per algorithm, named like its package, with ``case()``. tests/contract/test_algorithms.py runs every case in a
container of its own (log lines, artefact, failures, formats), tests/e2e/test_algorithms.py through the public API (upload,
train, deploy, predict). Data must be small: a case trains in a few seconds. Pass marks are in tests/fidelity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

Invoke = Callable[[str, bytes, str], bytes]
"""Content type, body and accept ("" for the default) to the body of the answer, which was a 200."""


@dataclass(frozen=True, slots=True)
class Channel:
    """``files`` lie below the channel's folder; ``distribution`` is its S3DataDistributionType."""

    content_type: str
    files: Mapping[str, bytes]
    distribution: str = "FullyReplicated"


@dataclass(frozen=True, slots=True)
class WrongHyperparameter:
    """A value (None: left out) that FailureReason refuses in these words."""

    name: str
    value: str | None
    words: str


@dataclass(frozen=True, slots=True)
class WrongChannel:
    """A channel (None: left out) instead of the case's own that FailureReason refuses in these words."""

    name: str
    channel: Channel | None
    words: str


@dataclass(frozen=True, slots=True)
class Case:
    """``requests`` holds one body per content type that the endpoint takes, ``wrong_requests`` bodies answered with 400.

    ``metrics`` are names of the manifest whose regexes must find a value in the log, ``artifact`` files of the model.
    ``check`` asserts on the trained model's answers that it has learned. ``model_id`` is that of JumpStart for algorithms
    without an image of their own.
    """

    algorithm: str
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    requests: Mapping[str, bytes]
    artifact: tuple[str, ...]
    check: Callable[[Invoke], None]
    metrics: tuple[str, ...] = ()
    wrong_hyperparameters: tuple[WrongHyperparameter, ...] = ()
    wrong_channels: tuple[WrongChannel, ...] = ()
    wrong_requests: tuple[tuple[str, bytes], ...] = ()
    model_id: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def names() -> tuple[str, ...]:
    """The modules here."""
    return tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__"))


@cache
def load(name: str) -> Case:
    """The case of a module."""
    return cast(Case, import_module(f"support.cases.{name}").case())
