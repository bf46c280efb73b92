"""Bodies of the same rows in each content type that the algorithms of tables take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from support.numpy_jobs import csv
from support.record_io import records

RECORD_IO = "application/x-recordio-protobuf"
ALL = ("text/csv", "application/json", "application/jsonlines", RECORD_IO)


def bodies(rows: NDArray[Any], content_types: Iterable[str] = ALL) -> dict[str, bytes]:
    """By content type."""
    listed = [{"features": row} for row in rows.tolist()]
    every = {
        "text/csv": csv(rows),
        "application/json": json.dumps({"instances": listed}).encode(),
        "application/jsonlines": "".join(json.dumps(item) + "\n" for item in listed).encode(),
        RECORD_IO: records(rows.astype(np.float32)),
    }
    return {name: every[name] for name in content_types}


def cancer() -> tuple[NDArray[Any], NDArray[Any]]:
    """Standardised rows and labels of scikit-learn's breast cancer data, shuffled."""
    rows, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return rows[order], labels[order]
