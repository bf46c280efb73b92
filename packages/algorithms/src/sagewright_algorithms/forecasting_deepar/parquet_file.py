"""Time series of Parquet: the columns start (text or a time), target, cat and dynamic_feat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from sagewright_algorithms.forecasting_deepar.series import MalformedSeriesError

_COLUMNS = ("start", "target", "cat", "dynamic_feat")


def records(path: Path) -> Iterator[dict[str, Any]]:
    """One per row, as Series.of_record takes it. Raises MalformedSeriesError."""
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
        table = table.select([name for name in table.column_names if name in _COLUMNS])
        columns = {name: _plain(table.column(name)) for name in table.column_names}
    except (pyarrow.ArrowException, OSError) as error:
        raise MalformedSeriesError(str(error)) from error
    for row in range(table.num_rows):
        yield {name: _value(column[row], name) for name, column in columns.items()}


def _plain(column: Any) -> Any:
    """Times to the microsecond: Python's have no nanoseconds."""
    return (
        column.cast(pyarrow.timestamp("us")) if pyarrow.types.is_timestamp(column.type) and column.type.tz is None else column
    )


def _value(scalar: Any, name: str) -> Any:
    if not scalar.is_valid:
        return None
    if name == "target" and hasattr(scalar, "values"):
        return _numbers(scalar.values)
    return scalar.as_py()


def _numbers(values: Any) -> Any:
    """Null is NaN."""
    found = values.to_numpy(zero_copy_only=False)
    return found if found.dtype.kind in "fiu" else np.array(values.to_pylist(), object).tolist()
