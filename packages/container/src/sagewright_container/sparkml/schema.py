"""The schema of a request: which columns come in, which goes out (the README of AWS's container). Rows → columns, a column → text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagewright_container.sparkml.bundle import Array
from sagewright_container.sparkml.pipeline import Frame

_INTEGERS = ("int", "long", "short", "byte")
_BASIC = "basic"


def _boolean(value: Any) -> bool:
    return str(value).lower() == "true"


_TYPES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_INTEGERS, lambda value: int(str(value))),
    "double": lambda value: float(str(value)),
    "float": lambda value: float(np.float32(str(value))),
    "boolean": _boolean,
    "string": lambda value: str(value),
}


@dataclass(frozen=True)
class Column:
    """``struct`` is basic, vector or array."""

    name: str
    type: str
    struct: str

    @classmethod
    def of(cls, document: Any) -> Column:
        """Raises ValueError."""
        if not isinstance(document, dict) or "name" not in document or "type" not in document:
            raise ValueError('a column of the schema is {"name": …, "type": …}')
        found = cls(str(document["name"]), str(document["type"]), str(document.get("struct") or _BASIC))
        if found.type not in _TYPES or found.struct not in (_BASIC, "vector", "array"):
            raise ValueError("Data type passed in the request is wrong for one or more columns")
        if found.struct == "vector" and found.type != "double":
            raise ValueError("Only Double type is supported for vector")
        return found

    def read(self, values: Sequence[Any]) -> Array:
        """The column of the rows' values. Raises ValueError."""
        convert = _TYPES[self.type]
        if self.struct == _BASIC:
            found: list[Any] = [convert(value) for value in values]
            return np.array(found, object if self.type == "string" else None)
        if any(not isinstance(value, list) for value in values):
            raise ValueError(f"Input val is not a list but struct passed is {self.struct}")
        rows = [[convert(item) for item in value] for value in values]
        if self.struct == "array" and self.type == "string":
            words = np.empty(len(rows), object)
            words[:] = rows
            return words
        return np.array(rows, np.float64)

    def written(self, column: Array, accept: str) -> list[str]:
        """A line for each row. ``accept``: text/csv, application/jsonlines or application/jsonlines;data=text. Raises ValueError."""
        values = column.tolist()
        if any(isinstance(value, list) == (self.struct == _BASIC) for value in values):
            raise ValueError(f"the column {self.name} is not of the struct {self.struct}")
        return [self._basic(value) if self.struct == _BASIC else self._several(value, accept) for value in values]

    def _basic(self, value: Any) -> str:
        if self.type in _INTEGERS:
            return str(int(value))
        if self.type == "boolean":
            return str(bool(value)).lower()
        return str(value) if self.type == "string" else repr(float(value))

    def _several(self, values: Any, accept: str) -> str:
        if accept == "application/jsonlines":
            return json.dumps({"features": values}, separators=(",", ":"))
        if accept == "text/csv":
            return ",".join(map(str, values))
        return json.dumps({"source": " ".join(map(str, values))}, separators=(",", ":"))


@dataclass(frozen=True)
class Schema:
    """Of a request."""

    inputs: tuple[Column, ...]
    output: Column

    @classmethod
    def of(cls, document: Any) -> Schema:
        """Raises ValueError."""
        if not isinstance(document, dict) or not isinstance(document.get("input"), list) or "output" not in document:
            raise ValueError('a schema is {"input": [column, …], "output": column}')
        return cls(tuple(Column.of(column) for column in document["input"]), Column.of(document["output"]))

    def frame(self, rows: Sequence[Any]) -> Frame:
        """Raises ValueError."""
        for row in rows:
            if not isinstance(row, list) or len(row) < len(self.inputs):
                raise ValueError(f"a row has {len(self.inputs)} values, as the schema has columns")
        return {column.name: column.read([row[at] for row in rows]) for at, column in enumerate(self.inputs)}
