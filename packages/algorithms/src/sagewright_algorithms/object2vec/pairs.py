"""Pairs of token sequences, as JSON Lines and as arrays (DG:object2vec-training-formats)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from sagewright_algorithms.common import sequences
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.sequences import Sequences

LONGEST = 5000
BLOCK = 10_000
"""So many lines are Python objects at a time."""


class MalformedPairsError(ValueError):
    """``record`` counts from 1."""

    def __init__(self, text: str, record: int) -> None:
        super().__init__(text)
        self.record = record


@dataclass(frozen=True, slots=True)
class Pairs:
    """``left`` is in0, ``right`` in1."""

    left: Sequences
    right: Sequences
    labels: Floats

    def __len__(self) -> int:
        return len(self.labels)


def blocks(content: bytes) -> Iterator[list[bytes]]:
    """Some lines at a time, without the empty ones."""
    lines = [line for line in content.splitlines() if line.strip()]
    for start in range(0, len(lines), BLOCK):
        yield lines[start : start + BLOCK]


def documents(lines: list[bytes]) -> list[Any]:
    """One JSON value per line. Raises MalformedPairsError."""
    try:
        found = orjson.loads(b"[%b]" % b",".join(lines))
    except orjson.JSONDecodeError:
        found = []
    return found if len(found) == len(lines) else _one_by_one(lines)


def _one_by_one(lines: list[bytes]) -> list[Any]:
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            raise MalformedPairsError(f"not JSON: {error}", number) from error
    return found


def rows(found: Sequence[Any], name: str, vocab_size: int, longest: int) -> list[list[int]]:
    """The member ``name`` of each document, cut at ``longest`` tokens. Raises MalformedPairsError."""
    cut = []
    for number, document in enumerate(found, 1):
        row = document.get(name) if isinstance(document, Mapping) else None
        if not isinstance(row, list):
            raise MalformedPairsError(f'"{name}" is not a list of token ids', number)
        if len(row) > LONGEST:
            raise MalformedPairsError(f'"{name}" has {len(row)} tokens, more than {LONGEST}', number)
        cut.append(row[:longest])
    _check_tokens(cut, name, vocab_size)
    return cut


def _check_tokens(cut: list[list[Any]], name: str, vocab_size: int) -> None:
    flat = list(chain.from_iterable(cut))
    odd = [token for token in flat if type(token) is not int] if set(map(type, flat)) - {int} else []
    outside = [token for token in (min(flat), max(flat)) if not 0 <= token < vocab_size] if flat and not odd else []
    if odd:
        text = f'"{name}" holds {odd[0]!r}, which is not a token id'
    elif outside:  # AWS's words
        words = "negative" if outside[0] < 0 else f"not less than vocab_size={vocab_size}"
        text = f'Inconsistent vocab for {name} found. Vocab id "{outside[0]}" is {words}'
    else:
        return
    culprit = (odd or outside)[0]
    raise MalformedPairsError(text, next(number for number, row in enumerate(cut, 1) if culprit in row))


def labels(found: Sequence[Any], classes: int) -> Floats:
    """The member "label" of each document: a class, or with ``classes`` 1 any number. Raises MalformedPairsError."""
    values = [document.get("label") for document in found]
    for number, value in enumerate(values, 1):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedPairsError(f"the label {value!r} is not a number", number)
        if classes > 1 and not (value == int(value) and 0 <= value < classes):
            raise MalformedPairsError(f"the label {value!r} is not one of the classes 0 to {classes - 1}", number)
    return np.array(values, np.float32)


def joined(parts: Sequence[Pairs]) -> Pairs:
    """All pairs of all parts."""
    left, right = ([part.left for part in parts], [part.right for part in parts])
    return Pairs(sequences.joined(left), sequences.joined(right), np.concatenate([part.labels for part in parts]))
