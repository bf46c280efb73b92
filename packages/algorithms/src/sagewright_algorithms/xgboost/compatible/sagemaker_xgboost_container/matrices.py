"""The algorithm's rows as DMatrix of the xgboost package, which scripts work with."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import xgboost

from sagewright_algorithms.xgboost.examples import DenseExamples, Examples
from sagewright_algorithms.xgboost.rows import DenseRows, Rows


def of_examples(examples: Examples) -> xgboost.DMatrix:
    """With labels and, where there are any, weights and query ids."""
    if isinstance(examples, DenseExamples):
        return xgboost.DMatrix(examples.features, label=examples.labels, weight=examples.weights)
    parts = (np.array(examples.values), np.array(examples.indices), np.array(examples.starts))
    shape = (len(examples.labels), examples.columns())
    return xgboost.DMatrix(
        scipy.sparse.csr_matrix(parts, shape=shape),
        label=np.array(examples.labels),
        weight=np.array(examples.weights) if len(examples.weights) else None,
        qid=np.array(examples.groups) if len(examples.groups) else None,
    )


def of_rows(rows: Rows) -> xgboost.DMatrix:
    """Of a request: no labels."""
    if isinstance(rows, DenseRows):
        return xgboost.DMatrix(np.array(rows.values).reshape(-1, rows.columns or 1))
    parts = (np.array(rows.values), np.array(rows.indices), np.array(rows.starts))
    return xgboost.DMatrix(scipy.sparse.csr_matrix(parts, shape=(len(rows.starts) - 1, rows.columns)))
