"""RecordIO-protobuf bodies of a table."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagewright_algorithms.recordio import Record, Tensor, encode


def records(features: NDArray[Any], labels: NDArray[Any] | None = None, sparse: bool = False) -> bytes:
    """A stream of one record per row; ``sparse`` leaves zeros out."""

    def record(number: int) -> Record:
        row = features[number]
        keys = np.flatnonzero(row)
        tensor = Tensor(array("f", row[keys]), array("I", keys.tolist()), (len(row),)) if sparse else Tensor(array("f", row))
        label = {} if labels is None else {"values": Tensor(array("f", [labels[number]]))}
        return Record({"values": tensor}, label)

    return encode(map(record, range(len(features))))
