"""Dimension reduction before indexing: random signs, or the fast Johnson-Lindenstrauss transform (DG:kNN_how-it-works)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sagewright_algorithms.common.matrix import Floats


def projection(kind: str, width: int, target: int, random: np.random.Generator) -> Floats:
    """A matrix [width, target] that keeps distances in the mean. ``kind`` is sign or fjlt."""
    if kind == "sign":
        return np.asarray(random.choice((-1.0, 1.0), (width, target)) / np.sqrt(target), np.float32)
    padded = 1 << max(0, width - 1).bit_length()
    signs = random.choice((-1.0, 1.0), width)
    chosen = random.choice(padded, target, replace=False)
    rows = _hadamard(padded)[:width, chosen] * signs[:, None]
    return np.asarray(rows / np.sqrt(target), np.float32)


def _hadamard(size: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    """The Walsh-Hadamard matrix; ``size`` is a power of two."""
    found = np.ones((1, 1), np.int8)
    while len(found) < size:
        found = np.block([[found, found], [found, -found]])
    return found


def padded(rows: Floats, multiple: int) -> Floats:
    """With zero columns, so that their number is a multiple (IVFPQ cuts rows into equal parts)."""
    lack = -rows.shape[1] % multiple
    return np.pad(rows, ((0, 0), (0, lack))) if lack else rows
