"""The endpoint of a model that maps rows to columns of answers: every row that has arrived is predicted at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from sagewright_algorithms.common import answers, matrix, requests
from sagewright_algorithms.common.matrix import Rows
from sagewright_algorithms.manifest import Inference
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.serving.start import execution_parameters, serve_models

_UNREADABLE = "unable to evaluate payload provided"


class Reader(Protocol):
    """What makes rows of payloads: a table for most models, something else for a few."""

    def read(self, body: bytes, content_type: str) -> Any:
        """Rows that the model can answer, with a length. Raises UnreadablePayloadError, WrongWidthError."""

    def joined(self, parts: list[Any]) -> Any:
        """The rows of several payloads."""


class Model(Protocol):
    """``top`` is the member of a JSON answer that holds the list."""

    top: str

    def predict(self, features: Any, verbose: bool) -> answers.Columns:
        """One answer per row that the reader made. ``verbose``: the Accept header asked for it. Must not raise."""


class TableModel(Model, Protocol):
    """Answers tables of float32."""

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""


class TableReader:
    """Tables of a fixed width, finite; with ``sparse``, compressed rows stay as they are."""

    def __init__(self, width: int, sparse: bool = False) -> None:
        self._width = width
        self._shaped: Callable[[Rows, int], Rows] = matrix.fitted if sparse else matrix.dense

    def read(self, body: bytes, content_type: str) -> Rows:
        """See Reader."""
        rows = self._shaped(requests.read(body, content_type), self._width)
        if not np.isfinite(rows if isinstance(rows, np.ndarray) else rows.values).all():
            raise requests.UnreadablePayloadError("a feature is NaN or infinite")
        return rows

    def joined(self, parts: list[Rows]) -> Rows:
        """See Reader."""
        return matrix.joined(parts)


def main(load: Callable[[Path], TableModel], inference: Inference) -> int:
    """Serves a model of tables in /opt/ml/model until SIGTERM; 1 when it cannot be loaded."""

    def open_endpoint(folder: Path) -> ModelEndpoint:
        model = load(folder)
        return ModelEndpoint(model, inference, TableReader(model.feature_dim))

    return run(open_endpoint)


def run(open_endpoint: Callable[[Path], Endpoint]) -> int:
    """Serves what it opens in /opt/ml/model until SIGTERM, or many models; 1 when that cannot be loaded."""
    threadpool_limits(1, "blas")  # waking a second thread costs more than a request's products (measured: 7 times)
    return serve_models(open_endpoint)


@dataclass(frozen=True, slots=True)
class Question:
    """A request that can be answered."""

    rows: Any
    accept: str
    verbose: bool
    custom_attributes: str


class ModelEndpoint:
    """See the module docstring."""

    def __init__(self, model: Model, inference: Inference, reader: Reader) -> None:
        self._model = model
        self._reader = reader
        self._inference = inference
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or inference.default_response_type

    def invoke(self, asked: list[Request]) -> list[Response]:
        """Errors stay with their request; those that ask alike are predicted together."""
        found = [self._question(request) for request in asked]
        questions = [item for item in found if isinstance(item, Question)]
        verbose = iter(self._answers([item for item in questions if item.verbose]))
        brief = iter(self._answers([item for item in questions if not item.verbose]))
        return [item if isinstance(item, Response) else next(verbose if item.verbose else brief) for item in found]

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """What batch transform should do unless the request says otherwise."""
        return execution_parameters()

    def _question(self, request: Request) -> Question | Response:
        try:
            content_type = media_type(request.content_type)
            if content_type not in self._inference.request_types:
                raise InvalidRequestError(415, f"Content-type {request.content_type} not supported")
            accept, verbose = accepted(request.accept, self._default_accept, self._inference)
            return Question(self._rows(request.body, content_type), accept, verbose, request.custom_attributes)
        except InvalidRequestError as error:
            return error.response

    def _rows(self, body: bytes, content_type: str) -> Any:
        try:
            rows = self._reader.read(body, content_type)
        except (requests.UnreadablePayloadError, matrix.WrongWidthError) as error:
            raise InvalidRequestError(400, f"{_UNREADABLE}: {error}") from error
        if not len(rows):
            raise InvalidRequestError(400, f"{_UNREADABLE}: it holds no records")
        return rows

    def _answers(self, questions: list[Question]) -> list[Response]:
        if not questions:
            return []
        rows = questions[0].rows if len(questions) == 1 else self._reader.joined([item.rows for item in questions])
        columns = self._model.predict(rows, questions[0].verbose)
        responses, start = [], 0
        for item in questions:
            end = start + len(item.rows)
            body = answers.write(answers.sliced(columns, start, end), item.accept, self._model.top)
            responses.append(Response(200, body, item.accept, item.custom_attributes))
            start = end
        return responses


def accepted(header: str, default: str, inference: Inference) -> tuple[str, bool]:
    """The content type of the answer and whether it is to be verbose. Raises InvalidRequestError."""
    first, *options = header.partition(",")[0].split(";")
    name = first.strip().lower()
    accept = default if name in ("", "*/*") else name
    if accept not in inference.response_types:
        raise InvalidRequestError(406, f"Accept type {accept} is not supported")
    return accept, any(option.replace(" ", "").lower() == "verbose=true" for option in options)


def media_type(header: str) -> str:
    """``text/csv`` of ``text/csv; label_size=0``."""
    return header.partition(";")[0].strip().lower()
