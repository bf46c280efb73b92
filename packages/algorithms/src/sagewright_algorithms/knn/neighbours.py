"""A trained k-NN model: transform, index, labels; votes or means; and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sagewright_algorithms.common.matrix import Floats, Integers
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.knn import index_file
from sagewright_algorithms.knn.index import Index
from sagewright_algorithms.knn.reduction import padded


@dataclass(frozen=True, slots=True)
class Model:
    """``projection`` is None without dimension reduction; ``normalized``: rows are scaled to length 1 (COSINE).

    ``classes``: the labels there are, ascending; empty for a regressor.
    """

    index: Index
    labels: Floats
    k: int
    feature_dim: int
    normalized: bool = False
    projection: Floats | None = None
    classes: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    def nearest(self, rows: Floats) -> tuple[Floats, Floats]:
        """Distances and labels of the k nearest rows of each, the nearest first; a lack is (inf, NaN)."""
        distances, ids = self.index.search(transformed(rows, self.normalized, self.projection, self.index.width), self.k)
        return distances.astype(np.float32), self._labels_of(ids)

    def predict(self, labels: Floats) -> Floats:
        """From the labels of the neighbours: the most frequent (of equally frequent ones the lowest), or the mean."""
        if not len(self.classes):
            return np.asarray(np.nanmean(labels, axis=1, dtype=np.float64), np.float32)
        known = self.classes
        place = np.searchsorted(known, labels)
        votes = np.zeros((len(labels), len(known) + 1), np.int64)
        np.add.at(votes, (np.arange(len(labels))[:, None], np.minimum(place, len(known))), ~np.isnan(labels))
        return np.asarray(known[votes[:, : len(known)].argmax(axis=1)])

    @property
    def classifier(self) -> bool:
        """It votes; else it takes the mean."""
        return len(self.classes) > 0

    def _labels_of(self, ids: Integers) -> Floats:
        return np.where(ids >= 0, self.labels[ids], np.float32(np.nan))

    def files(self) -> dict[str, bytes]:
        """The artifact, by name: index, raw labels and what is to know beside them."""
        about: dict[str, Any] = {
            "k": self.k,
            "predictor_type": "classifier" if self.classifier else "regressor",
            "feature_dim": self.feature_dim,
            "index_metric": "COSINE" if self.normalized else self.index.metric,
            "dimension_reduction": None if self.projection is None else self.projection.tolist(),
        }
        return {
            "model_algo-1": index_file.dump(self.index),
            "model_algo-1.labels": self.labels.astype(np.float32).tobytes(),
            "model_algo-1.json": json.dumps(about).encode(),
        }


def load(folder: Path) -> Model:
    """Raises OSError, ValueError, KeyError."""
    file = find(folder)
    index = index_file.load(file.read_bytes())
    labels = np.frombuffer((folder / f"{file.name}.labels").read_bytes(), np.float32)
    about = json.loads((folder / f"{file.name}.json").read_text(encoding="utf-8"))
    if len(labels) != index.size or not len(labels):
        raise ValueError(f"{len(labels)} labels for {index.size} rows")
    projection = about.get("dimension_reduction")
    return Model(
        index,
        labels,
        int(about["k"]),
        int(about.get("feature_dim", index.width)),
        about.get("index_metric") == "COSINE",
        None if projection is None else np.array(projection, np.float32),
        np.unique(labels) if about["predictor_type"] == "classifier" else labels[:0],
    )


def transformed(rows: Floats, normalized: bool, projection: Floats | None, multiple: int) -> Floats:
    """As rows are indexed and searched for."""
    if projection is not None:
        rows = rows @ projection
    if normalized:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return padded(rows, multiple)
