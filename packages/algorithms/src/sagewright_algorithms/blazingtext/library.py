"""fastText, as far as BlazingText needs it: arguments, training, accuracy, vectors, files.

The compiled module is used by itself: the package around it breaks on NumPy 2 and costs a tenth of a second to import.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import fasttext_pybind
import numpy as np

from sagewright_algorithms.blazingtext.corpus import LABEL
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import Floats

SUPERVISED = "supervised"
_SKIPGRAM = ("skipgram", "batch_skipgram")
# Below so many bytes to read (epochs included) one thread needs seconds only, and gives the same model each time.
ONE_THREAD_BYTES = 16_000_000
_UPDATE_RATE = 100
_MOST_LABELS = (1 << 31) - 1


def threads_for(size: int, epochs: int) -> int:
    """fastText's threads write into one model without locks: with more than one, no two models are the same."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdigit() and int(chosen) > 0:
        return int(chosen)
    return 1 if size * epochs < ONE_THREAD_BYTES else len(os.sched_getaffinity(0))


def arguments(wanted: Hyperparameters, path: Path, threads: int) -> Any:
    """fastText's, from AWS's hyperparameters."""
    mode, found = wanted.text("mode"), fasttext_pybind.args()
    supervised, subwords = mode == SUPERVISED, wanted.flag("subwords") and mode != SUPERVISED
    names, losses = fasttext_pybind.model_name, fasttext_pybind.loss_name
    found.input, found.output, found.label, found.pretrainedVectors = str(path), "", LABEL, ""
    found.model = names.supervised if supervised else names.skipgram if mode in _SKIPGRAM else names.cbow
    found.loss = losses.softmax if supervised else losses.ns
    found.lr, found.lrUpdateRate = wanted.number("learning_rate"), _UPDATE_RATE
    found.dim, found.epoch, found.thread = wanted.integer("vector_dim"), wanted.integer("epochs"), threads
    found.ws, found.neg, found.t = (
        wanted.integer("window_size"),
        wanted.integer("negative_samples"),
        wanted.number("sampling_threshold"),
    )
    found.minCount, found.minCountLabel = wanted.integer("min_count"), 0
    found.wordNgrams = wanted.integer("word_ngrams") if supervised else 1
    found.minn, found.maxn = (wanted.integer("min_char"), wanted.integer("max_char")) if subwords else (0, 0)
    found.bucket = wanted.integer("buckets") if subwords or found.wordNgrams > 1 else 0
    found.seed, found.verbose = 0, 2
    return found


class Model:
    """A fastText model. ``epochs`` of 0 gives one that knows its words and has learned nothing."""

    def __init__(self) -> None:
        self._inner = fasttext_pybind.fasttext()

    @classmethod
    def load(cls, path: Path) -> Model:
        """Raises ValueError."""
        model = cls()
        try:
            model._inner.loadModel(str(path))
        except (RuntimeError, ValueError, MemoryError) as error:
            raise ValueError(f"{path.name} is not a model of fastText: {error}") from error
        return model

    def train(self, given: Any) -> None:
        """Other threads of Python run meanwhile. Raises ClientError."""
        try:
            fasttext_pybind.train(self._inner, given)
        except (RuntimeError, ValueError) as error:
            raise ClientError(_explained(str(error))) from error

    def save(self, path: Path) -> None:
        """In fastText's binary format."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._inner.saveModel(str(path))

    @property
    def supervised(self) -> bool:
        """Whether it tells labels."""
        return bool(self._inner.getArgs().model == fasttext_pybind.model_name.supervised)

    @property
    def has_subwords(self) -> bool:
        """Whether words that it never saw have vectors."""
        return bool(self._inner.getArgs().maxn > 0)

    @cached_property
    def _width(self) -> int:
        return int(self._inner.getArgs().dim)

    def words(self) -> tuple[list[str], list[int]]:
        """In the order of the vectors, with their counts; bytes that are not UTF-8 become surrogates."""
        words, counts = self._inner.getVocab("surrogateescape")
        return list(words), [int(count) for count in counts]

    def matrices(self) -> tuple[Floats, Floats]:
        """Views of the model's own memory (input, output): what is written there changes the model. Not when quantized."""
        return np.asarray(self._inner.getInputMatrix()), np.asarray(self._inner.getOutputMatrix())

    def word_vectors(self) -> Floats:
        """One row per word."""
        words, _ = self.words()
        if not self.has_subwords:
            return self.matrices()[0][: len(words)]
        return np.array([self.word_vector(_well_formed(word)) for word in words], np.float32)

    def word_vector(self, word: str) -> Floats:
        """Zeros for a word that the model cannot know."""
        vector = fasttext_pybind.Vector(self._width)
        self._inner.getWordVector(vector, word)
        return np.array(vector, np.float32)

    def labels(self, sentence: str, count: int) -> list[tuple[float, str]]:
        """The most likely ones with their probabilities."""
        return cast(list[tuple[float, str]], self._inner.predict(sentence + "\n", min(count, _MOST_LABELS), 0.0, "replace"))

    def score(self, path: Path) -> tuple[int, float]:
        """How many lines have a label, and for which share of them the likeliest is right."""
        lines, precision, _ = self._inner.test(str(path), 1, 0.0)
        return int(lines), float(precision) if lines else 0.0


def _explained(text: str) -> str:
    if "NaN" in text:
        return "The model diverged: its parameters are not numbers any more. Lower learning_rate"
    if "Empty vocabulary" in text:
        return "Empty vocabulary: no word is as frequent as min_count asks. Lower min_count"
    return f"fastText refused to train: {text}"


def _well_formed(word: str) -> str:
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
