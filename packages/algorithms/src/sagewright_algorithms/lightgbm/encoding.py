"""Categories as the whole numbers that LightGBM wants; an unknown or missing one is NaN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.jumpstart.rows import Rows

Floats = npt.NDArray[np.float64]
Vocabularies = Mapping[int, Mapping[str, int]]


def names(column: Any) -> list[str]:
    """The categories of a column (a pandas Series of text)."""
    return sorted({name for name in column if name})


def vocabulary(found: Iterable[str]) -> dict[str, int]:
    """The codes of categories, whole numbers in their order."""
    ordered = sorted(set(found), key=lambda name: (not _whole(name), int(name) if _whole(name) else 0, name))
    return {name: code for code, name in enumerate(ordered)}


def table(features: Any, vocabularies: Vocabularies) -> Floats:
    """Of a DataFrame whose columns ``vocabularies`` names are text."""
    columns = [
        features.iloc[:, position].map(vocabularies[position]) if position in vocabularies else features.iloc[:, position]
        for position in range(features.shape[1])
    ]
    return np.column_stack([np.asarray(column, np.float64) for column in columns])


def rows(found: Rows, vocabularies: Vocabularies) -> Floats:
    """Of a request."""
    for position, names in found.categories.items():
        codes = vocabularies[position]
        found.numbers[:, position] = [codes.get(name, np.nan) for name in names]
    return found.numbers


def _whole(name: str) -> bool:
    return name.isascii() and name.lstrip("-").isdigit()
