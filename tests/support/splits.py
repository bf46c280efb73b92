"""scikit-learn's tables as JumpStart's algorithms read them: label first, every fifth row for validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from support.numpy_jobs import csv

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Training and validation rows, the label in the first column."""

    train: Table
    validation: Table

    def files(self) -> dict[str, bytes]:
        """Of one channel."""
        return {"train/data.csv": csv(self.train), "validation/data.csv": csv(self.validation)}


def breast_cancer() -> Split:
    return _split(load_breast_cancer)


def digits() -> Split:
    return _split(load_digits)


def diabetes() -> Split:
    return _split(load_diabetes)


def _split(load: Callable[[], Any]) -> Split:
    found = load()
    table = np.column_stack([found.target, found.data])
    table = np.array([[float(f"{cell:.9g}") for cell in row] for row in table])  # as the CSV has them
    held = np.arange(len(table)) % 5 == 4
    return Split(table[~held], table[held])
