"""Training rows from Parquet: the first column is the label, the second the weight when asked for.

The only module that imports pyarrow (60 MB): data.py loads it by name when a channel holds Parquet, so that everybody else,
and the zygote that forks jobs, stays small.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import DenseExamples


def read(path: Path, weighted: bool) -> DenseExamples:
    """Raises UserError when the file cannot be read or a column is not numeric."""
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
        columns = [column.to_numpy().astype(np.float32) for column in table.columns]
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise UserError(f"Failed to load parquet data with exception:\n{error}") from error
    first = 2 if weighted else 1
    if len(columns) <= first or np.isnan(columns[0]).any():
        raise UserError("Got input data without labels. Please check the input data set.")
    return DenseExamples(np.column_stack(columns[first:]), columns[0], columns[1] if weighted else None)
