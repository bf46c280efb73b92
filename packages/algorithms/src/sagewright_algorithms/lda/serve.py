"""The LDA endpoint: the mixture of topics of each document (DG:lda)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagewright_algorithms.common import endpoint, ndarray_file, requests
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Doubles, Floats, Rows
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.lda import documents, variational
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> endpoint.ModelEndpoint:
    """Sparse requests stay sparse. Raises OSError, ValueError."""
    arrays = list(ndarray_file.load(find(folder).read_bytes()).values())
    if len(arrays) != 2 or arrays[0].ndim != 1 or arrays[1].ndim != 2 or len(arrays[0]) != len(arrays[1]):
        raise ValueError("the model is not alpha [topics] and beta [topics, words]")
    alpha, beta = arrays
    if not (len(alpha) and (alpha > 0).all() and (beta >= 0).all()):
        raise ValueError("alpha and beta of the model are not positive")
    mixer = Mixer(alpha.astype(np.float64), beta.astype(np.float32))
    return endpoint.ModelEndpoint(mixer, load_manifest("lda").inference, CountReader(beta.shape[1]))


class CountReader(endpoint.TableReader):
    """Tables of counts."""

    def __init__(self, words: int) -> None:
        super().__init__(words, sparse=True)

    def read(self, body: bytes, content_type: str) -> Rows:
        """Raises UnreadablePayloadError, WrongWidthError."""
        rows = super().read(body, content_type)
        if documents.smallest(rows) < 0:
            raise requests.UnreadablePayloadError("a document has a negative number of words")
        return rows


class Mixer:
    """``alpha`` [topics], ``beta`` [topics, words]."""

    top = "predictions"

    def __init__(self, alpha: Doubles, beta: Floats) -> None:
        self._alpha = alpha
        self._words = variational.words_of(beta)

    def predict(self, features: Rows, verbose: bool) -> Columns:
        """Shares of the topics that add up to 1."""
        found = documents.of_rows(features, len(self._words))
        return {"topic_mixture": variational.mixtures(found, self._alpha, self._words)}
