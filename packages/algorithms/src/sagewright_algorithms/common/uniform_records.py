"""The usual RecordIO file, all at once: dense records of one width differ only in their values (40 times faster than one by one)."""

from __future__ import annotations

from itertools import islice

import numpy as np

from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.recordio import Record, decode, frames

_HEAD = 8
"""Magic number and length before a payload."""


def read(content: bytes) -> tuple[Floats, Floats | None] | None:
    """Rows and labels, or None when the records are not of one form. Raises MalformedRecordError for the first record."""
    payload = next(frames(content), None)
    if payload is None:
        return None
    stride = _HEAD + (len(payload) + 3) // 4 * 4
    record = next(islice(decode(content), 1))
    found = _places(record, bytes(payload))
    if len(content) % stride or found is None:
        return None
    table = np.frombuffer(content, np.uint8).reshape(-1, stride)
    (start, end), label = found
    constant = np.ones(stride, bool)
    constant[start:end] = False
    if label is not None:
        constant[label : label + 4] = False
    if not (table[:, constant] == table[0, constant]).all():
        return None
    labels = None if label is None else _floats(table[:, label : label + 4])[:, 0]
    return _floats(table[:, start:end]), labels


def _places(record: Record, payload: bytes) -> tuple[tuple[int, int], int | None] | None:
    """Where in a frame the values of the features and the label lie; None when it is not a dense record of float32.

    They are looked for by content. Should the same bytes occur earlier, what varies lies elsewhere, and the comparison of
    everything constant turns the file down.
    """
    features, label = record.features.get("values"), record.label.get("values")
    if features is None or features.keys is not None or len(record.features) != 1:
        return None
    if len(features.values) < 2:  # a single value may equal the label: which is which could not be told
        return None
    start = payload.find(features.values.tobytes())
    if start < 0:
        return None
    end = start + 4 * len(features.values)
    if not record.label:
        return (start + _HEAD, end + _HEAD), None
    if label is None or len(record.label) != 1 or len(label.values) != 1:
        return None
    wanted = label.values.tobytes()
    place = payload.find(wanted, 0, start)
    place = payload.find(wanted, end) if place < 0 else place
    return None if place < 0 else ((start + _HEAD, end + _HEAD), place + _HEAD)


def _floats(cells: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Floats:
    return np.ascontiguousarray(cells).view("<f4").astype(np.float32, copy=False)
