"""Inference payloads as feature rows: JSON, JSON Lines, CSV and RecordIO protobuf, dense and sparse (DG:cdf-inference)."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import orjson

from sagewright_algorithms.common import csv_rows
from sagewright_algorithms.common.matrix import Rows, of_tensors
from sagewright_algorithms.recordio import MalformedRecordError, Tensor, decode

JSON, JSON_LINES = "application/json", "application/jsonlines"
CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"


class UnreadablePayloadError(ValueError):
    """The payload is not what its content type says."""


def read(body: bytes, content_type: str) -> Rows:
    """``content_type`` is one of the four above. Raises UnreadablePayloadError."""
    try:
        if content_type == CSV:
            return csv_rows.read(body)
        if content_type == RECORDIO:
            return _recordio(body)
        return _rows(_instances(body) if content_type == JSON else _lines(body))
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # orjson's, the readers' and numpy's
        raise UnreadablePayloadError(str(error)) from error


def instances(body: bytes, content_type: str) -> list[Any]:
    """The ``features`` of each instance of a JSON or JSON Lines payload, as they came. Raises UnreadablePayloadError."""
    try:
        found = _instances(body) if content_type == JSON else _lines(body)
        return [_features(instance) for instance in found]
    except (ValueError, TypeError) as error:
        raise UnreadablePayloadError(str(error)) from error


def _instances(body: bytes) -> list[Any]:
    document = orjson.loads(body)
    found = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise UnreadablePayloadError('JSON needs the form {"instances": [{"features": [...]}]}')
    return found


def _lines(body: bytes) -> list[Any]:
    return [orjson.loads(line) for line in body.splitlines() if line.strip()]


def _rows(found: list[Any]) -> Rows:
    features = [_features(instance) for instance in found]
    if all(isinstance(item, list) for item in features):
        table = np.array(features, np.float32)
        if table.ndim != 2:
            raise UnreadablePayloadError("features are not equally long lists of numbers")
        return table
    return of_tensors(_tensor(item) for item in features)


def _features(instance: Any) -> Any:
    """``{"features": [...]}``, ``{"data": {"features": {"values": [...]}}}`` or the same with keys and shape."""
    if not isinstance(instance, dict):
        raise UnreadablePayloadError('an instance is not of the form {"features": [...]}')
    holder = instance["data"] if isinstance(instance.get("data"), dict) else instance
    found = holder.get("features")
    if isinstance(found, dict) and "keys" not in found:
        found = found.get("values")
    if not isinstance(found, list | dict):
        raise UnreadablePayloadError('an instance has no "features"')
    return found


def _tensor(features: Any) -> Tensor:
    if isinstance(features, list):
        return Tensor(array("f", features))
    values, keys, shape = array("f", features["values"]), array("I", features["keys"]), features.get("shape") or ()
    if len(values) != len(keys):
        raise UnreadablePayloadError("sparse features need as many keys as values")
    return Tensor(values, keys, tuple(int(length) for length in shape))


def _recordio(body: bytes) -> Rows:
    found = [record.features.get("values") for record in decode(body)]
    if any(tensor is None for tensor in found):
        raise MalformedRecordError('a Record without the feature "values"')
    return of_tensors(tensor for tensor in found if tensor is not None)
