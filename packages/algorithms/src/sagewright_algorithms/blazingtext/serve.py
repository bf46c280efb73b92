"""The BlazingText endpoint: word vectors, or labels of sentences (DG:blazingtext, artifacts and inference).

The answer has the request's content type, whatever the Accept header says, as AWS documents it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from sagewright_algorithms.blazingtext import vectors_file
from sagewright_algorithms.blazingtext.library import Model
from sagewright_algorithms.blazingtext.questions import JSON, JSON_LINES, Question, UnreadablePayloadError, read
from sagewright_algorithms.common.endpoint import media_type
from sagewright_algorithms.common.matrix import Floats
from sagewright_container.serving.message import Request, Response
from sagewright_container.serving.start import execution_parameters, serve_model

_FASTTEXT_MAGIC = (793712314).to_bytes(4, "little")
_USUAL = ("model.bin", "vectors.bin")


def main() -> int:
    """Serves until SIGTERM; 1 when the model cannot be loaded."""
    return serve_model(lambda folder: TextEndpoint(load(folder)))


class Answerer(Protocol):
    """A model that is ready."""

    def answer(self, question: Question) -> dict[str, Any]:
        """The JSON document for one word or sentence. Must not raise."""


def load(folder: Path) -> Answerer:
    """A model of BlazingText or fastText, or a file of word2vec. Raises OSError, ValueError."""
    path = _model_file(folder)
    with path.open("rb") as content:
        magic = content.read(len(_FASTTEXT_MAGIC))
    if magic == _FASTTEXT_MAGIC:
        model = Model.load(path)
        return Classifier(model) if model.supervised else WordVectors(model)
    words, vectors = vectors_file.read(path.read_bytes(), binary=path.suffix == ".bin")
    return WordTable(words, vectors)


class Classifier:
    """The likeliest labels of a sentence."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def answer(self, question: Question) -> dict[str, Any]:
        """fastText's rounding may put a probability a little above 1."""
        found = self._model.labels(question.text, question.count)
        return {"label": [label for _, label in found], "prob": [min(probability, 1.0) for probability, _ in found]}


class WordVectors:
    """Vectors of a fastText model, which may know parts of words."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def answer(self, question: Question) -> dict[str, Any]:
        """Zeros for a word that the model cannot know."""
        return {"vector": self._model.word_vector(question.text), "word": question.text}


class WordTable:
    """Vectors of a word2vec file."""

    def __init__(self, words: list[str], vectors: Floats) -> None:
        self._index = {word: number for number, word in enumerate(words)}
        self._vectors = vectors
        self._zeros = np.zeros(vectors.shape[1], np.float32)

    def answer(self, question: Question) -> dict[str, Any]:
        """Zeros for a word that is not in the file."""
        row = self._index.get(question.text)
        return {"vector": self._zeros if row is None else self._vectors[row], "word": question.text}


class TextEndpoint:
    """See the module docstring."""

    def __init__(self, model: Answerer) -> None:
        self._model = model

    def invoke(self, asked: list[Request]) -> list[Response]:
        """Each by itself: a bad one costs nobody else anything."""
        return [self._answer(request) for request in asked]

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """What batch transform should do unless the request says otherwise."""
        return execution_parameters()

    def _answer(self, request: Request) -> Response:
        kind = media_type(request.content_type)
        if kind not in (JSON, JSON_LINES):
            return Response(415, f"Content-type {request.content_type} not supported".encode())
        try:
            questions = read(request.body, kind)
        except UnreadablePayloadError as error:
            return Response(400, f"unable to evaluate payload provided: {error}".encode())
        found = [self._model.answer(question) for question in questions]
        body = _dumped(found) if kind == JSON else b"".join(_dumped(item) + b"\n" for item in found)
        return Response(200, body, kind, request.custom_attributes)


def _dumped(answer: Any) -> bytes:
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)  # float32 in its shortest digits


def _model_file(folder: Path) -> Path:
    """``model.bin`` or ``vectors.bin``, else the only ``.bin`` or ``.txt``. Raises ValueError."""
    for name in _USUAL:
        if (folder / name).is_file():
            return folder / name
    found = sorted(path for pattern in ("*.bin", "*.txt") for path in folder.glob(pattern) if path.is_file())
    if len(found) != 1:
        raise ValueError(
            f"no {' or '.join(_USUAL)} in the artifact, which holds {sorted(path.name for path in folder.iterdir())}"
        )
    return found[0]
