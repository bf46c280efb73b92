"""Rows as the network wants them: the code of each category, standardised numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.jumpstart.rows import Rows
from sagewright_algorithms.jumpstart.tables import Tables

UNKNOWN = 0
"""The code of a category that was missing, or that no training row has."""
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoding:
    """``vocabularies``: by position of the categorical column, the code of each category; the other columns are standardised."""

    width: int
    vocabularies: dict[int, dict[str, int]]
    means: list[float]
    scales: list[float]

    @classmethod
    def of(cls, data: Tables) -> Encoding:
        """Fitted to the training rows; a column of one value, or of none, becomes 0."""
        features = data.train.features
        vocabularies = {position: _vocabulary(features.iloc[:, position]) for position in data.categorical}
        numbers = features.iloc[:, _numeric(data.width, vocabularies)].to_numpy(np.float64)
        known = np.isfinite(numbers)
        count = np.maximum(known.sum(axis=0), 1)
        means = np.where(known, numbers, 0).sum(axis=0) / count
        deviations = np.where(known, numbers - means, 0)
        scales = np.sqrt((deviations**2).sum(axis=0) / count)
        return cls(data.width, vocabularies, means.tolist(), np.where(scales > 0, scales, 1).tolist())

    @property
    def cardinalities(self) -> list[int]:
        """Codes of each categorical column, the unknown one included."""
        return [len(vocabulary) + 1 for vocabulary in self.vocabularies.values()]

    def table(self, features: Any) -> tuple[Codes, Floats]:
        """Of a DataFrame."""
        codes = [
            features.iloc[:, position].map(vocabulary).fillna(UNKNOWN).to_numpy(np.int64)
            for position, vocabulary in self.vocabularies.items()
        ]
        numbers = features.iloc[:, _numeric(self.width, self.vocabularies)].to_numpy(np.float64)
        return self._joined(codes, numbers)

    def rows(self, found: Rows) -> tuple[Codes, Floats]:
        """Of requests."""
        codes = [
            np.array([vocabulary.get(name, UNKNOWN) for name in found.categories[position]], np.int64)
            for position, vocabulary in self.vocabularies.items()
        ]
        return self._joined(codes, found.numbers[:, _numeric(self.width, self.vocabularies)])

    def _joined(self, codes: list[Codes], numbers: npt.NDArray[np.float64]) -> tuple[Codes, Floats]:
        standard = (numbers - np.array(self.means)) / np.array(self.scales)
        plain = np.where(np.isfinite(standard), standard, 0).astype(np.float32)
        return np.column_stack(codes) if codes else np.zeros((len(numbers), 0), np.int64), plain


def _vocabulary(column: Any) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted({name for name in column if name}), UNKNOWN + 1)}


def _numeric(width: int, vocabularies: dict[int, dict[str, int]]) -> list[int]:
    return [position for position in range(width) if position not in vocabularies]
