"""What a compilation starts from: a model as ONNX, and how the original answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Example = dict[str, Array]


class InputError(Exception):
    """The archive does not hold what the request says; the text is for the user."""


@dataclass(frozen=True)
class Source:
    """``outputs`` are those that the original's answer is made of, ``column`` the one column of them that it is, or None.

    ``original`` answers an example as the framework does; None where ONNX is the framework.
    """

    onnx: bytes
    outputs: tuple[str, ...]
    example: Example
    original: Callable[[Example], list[Array]] | None = None
    column: int | None = None
