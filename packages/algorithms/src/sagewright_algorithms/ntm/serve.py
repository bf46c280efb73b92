"""The NTM endpoint: the weights of the topics in each document (DG:ntm). NumPy does it faster than torch for few rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagewright_algorithms.common import endpoint, requests
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Floats, Rows
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.ntm.artifact import Dense, TopicModel


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> endpoint.ModelEndpoint:
    """Raises OSError, ValueError, KeyError."""
    model = TopicModel.load(find(folder).read_bytes())
    return endpoint.ModelEndpoint(Weigher(model), load_manifest("ntm").inference, CountReader(model.words))


class CountReader(endpoint.TableReader):
    """Tables of counts."""

    def read(self, body: bytes, content_type: str) -> Rows:
        """Raises UnreadablePayloadError, WrongWidthError."""
        rows = super().read(body, content_type)
        if isinstance(rows, np.ndarray) and rows.min(initial=0) < 0:
            raise requests.UnreadablePayloadError("a document has a negative number of words")
        return rows


class Weigher:
    """The encoder's mean, as shares."""

    top = "predictions"

    def __init__(self, model: TopicModel) -> None:
        self._model = model

    def predict(self, features: Floats, verbose: bool) -> Columns:
        """Shares of the topics that add up to 1."""
        found = np.log1p(features)
        for layer in self._model.layers:
            found = _activated(_through(found, layer), self._model.activation)
        means = _through(found, self._model.mean)
        shares = np.exp(means - means.max(axis=1, keepdims=True))
        return {"topic_weights": shares / shares.sum(axis=1, keepdims=True)}


def _through(values: Floats, layer: Dense) -> Floats:
    return np.asarray(values @ layer.weight.T + layer.bias)


def _activated(values: Floats, name: str) -> Floats:
    if name == "sigmoid":
        return np.asarray(0.5 * np.tanh(0.5 * values) + 0.5)
    return np.tanh(values) if name == "tanh" else np.maximum(values, 0)
