"""Training rows from RecordIO protobuf: features and label are named "values"."""

from __future__ import annotations

from array import array

import numpy as np

from sagewright_algorithms.recordio import MalformedRecordError, Record, Tensor, decode
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import DenseExamples, Examples, SparseExamples


def read(content: bytes) -> Examples:
    """All dense, or all sparse. Raises UserError."""
    try:
        pairs = [_pair(record) for record in decode(content)]
    except MalformedRecordError as error:
        raise UserError(f"Failed to load recordio-protobuf data with exception:\n{error}") from error
    dense = all(features.keys is None for features, _ in pairs)
    return _dense(pairs) if dense else _sparse(pairs)


def _pair(record: Record) -> tuple[Tensor, float]:
    label = record.label.get("values")
    if label is None or len(label.values) != 1:
        raise UserError("Got input data without labels. Please check the input data set.")
    features = record.features.get("values")
    if features is None:
        raise MalformedRecordError('a Record without the feature "values"')
    return features, label.values[0]


def _dense(pairs: list[tuple[Tensor, float]]) -> DenseExamples:
    widths = {len(features.values) for features, _ in pairs}
    if len(widths) > 1:
        raise UserError(
            f"Failed to load recordio-protobuf data with exception:\nrecords of different lengths: {sorted(widths)}"
        )
    values = array("f")
    for features, _ in pairs:
        values.extend(features.values)
    table = np.frombuffer(values, np.float32).reshape(len(pairs), -1).copy()
    return DenseExamples(table, np.array([label for _, label in pairs], np.float32))


def _sparse(pairs: list[tuple[Tensor, float]]) -> SparseExamples:
    examples = SparseExamples()
    for features, label in pairs:
        examples.indices.extend(features.keys if features.keys is not None else range(len(features.values)))
        examples.values.extend(features.values)
        examples.labels.append(label)
        examples.starts.append(len(examples.indices))
    return examples
