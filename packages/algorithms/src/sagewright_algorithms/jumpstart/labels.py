"""The classes of a label column: 0, 1, … in their order, whatever they are called in the data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.errors import ClientError

Label = int | float | str


class Classes:
    """``names`` as the data has them: whole numbers, other numbers or text; sorted."""

    def __init__(self, names: list[Label]) -> None:
        self.names = names

    @classmethod
    def of(cls, *columns: Any) -> Classes:
        """Of all label columns of a job (pandas Series). Raises ClientError when there are fewer than two classes."""
        return cls.union([cls.found(*columns)])

    @staticmethod
    def found(*columns: Any) -> list[Label]:
        """What label columns hold, each once; in no order."""
        return list({_plain(value) for column in columns for value in column.unique().tolist()})

    @classmethod
    def union(cls, parts: Iterable[Iterable[Label]]) -> Classes:
        """Of what was found in parts of the data. Raises ClientError when there are fewer than two classes."""
        found = {value for part in parts for value in part}
        text = any(isinstance(value, str) for value in found)
        names: list[Label] = sorted({str(value) for value in found}) if text else sorted(found)
        if len(names) < 2:
            raise ClientError(f"The labels hold {len(names)} class; classification needs at least two")
        return cls(names)

    def __len__(self) -> int:
        return len(self.names)

    def encoded(self, column: Any) -> npt.NDArray[np.int64]:
        """The number of each label's class."""
        numbers = {name: number for number, name in enumerate(self.names)}
        text = isinstance(self.names[0], str)
        by_value = {value: numbers[str(_plain(value)) if text else _plain(value)] for value in column.unique().tolist()}
        found: npt.NDArray[np.int64] = column.map(by_value).to_numpy(np.int64)
        return found


def _plain(value: Any) -> Label:
    """1.0 is 1: pandas reads a column of whole numbers as floats once a cell of it is written so."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str) else int(value) if isinstance(value, int) else float(value)
