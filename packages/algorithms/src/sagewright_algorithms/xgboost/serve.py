"""The XGBoost endpoint: requests in, one native prediction per batch, answers out (DG:xgboost; statuses of AWS's container)."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagewright_algorithms.common.libxgboost import XgboostError
from sagewright_algorithms.recordio import MalformedRecordError
from sagewright_algorithms.xgboost import answers
from sagewright_algorithms.xgboost.booster import Predictions
from sagewright_algorithms.xgboost.model_file import ModelError, load_models
from sagewright_algorithms.xgboost.predictor import Predictor, WrongFeaturesError
from sagewright_algorithms.xgboost.rows import DenseRows, Rows, UnreadablePayloadError, read_csv, read_libsvm, read_recordio
from sagewright_algorithms.xgboost.version import NEWEST, Version, current
from sagewright_container.serving import many_models
from sagewright_container.serving.listen import batch_threads
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.serving.start import execution_parameters, serve_models

Reader = Callable[[bytes], Rows]
READERS: dict[str, tuple[str, Reader]] = {
    "text/csv": ("csv", read_csv),
    "text/libsvm": ("libsvm", read_libsvm),
    "text/x-libsvm": ("libsvm", read_libsvm),
    "application/x-recordio-protobuf": ("recordio-protobuf", read_recordio),
}


def main() -> int:
    """Serves the model in /opt/ml/model, or many models, until SIGTERM; 1 when it cannot be loaded."""
    return serve_models(open_endpoint, batch_threads(), (ModelError, OSError))


def open_endpoint(folder: Path) -> XgboostEndpoint:
    """The model in a folder. Raises ModelError, OSError."""
    return XgboostEndpoint(Predictor(load_models(folder)), os.environ.get("SAGEMAKER_INFERENCE_OUTPUT", ""), current())


@dataclass(frozen=True, slots=True)
class _Question:
    rows: Rows
    accept: str
    custom_attributes: str


class XgboostEndpoint:
    """Answers batches; ``selection`` is the comma list of SAGEMAKER_INFERENCE_OUTPUT, "" for plain scores."""

    def __init__(self, predictor: Predictor, selection: str = "", version: Version = NEWEST) -> None:
        self._predictor = predictor
        self._keys = [key.strip().lower() for key in selection.split(",") if key.strip()]
        self._accepted = answers.SELECTED_TYPES if self._keys else answers.PLAIN_TYPES
        self._joined = many_models.wanted()  # the model server of AWS's images answers so, the single model's does not
        self._transforms, self._one_line = bool(os.environ.get("SAGEMAKER_BATCH")), version.one_line and not self._keys
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or answers.CSV

    def invoke(self, requests: list[Request]) -> list[Response]:
        """All dense rows go through the model together; errors stay with their request."""
        questions = [self._question(request) for request in requests]
        dense = [item for item in questions if isinstance(item, _Question) and isinstance(item.rows, DenseRows)]
        together = iter(self._predict_together(dense) if len(dense) > 1 else ())
        responses = []
        for item in questions:
            if isinstance(item, Response):
                responses.append(item)
            elif len(dense) > 1 and isinstance(item.rows, DenseRows):
                responses.append(next(together))
            else:
                responses.append(self._predict_alone(item))
        return responses

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """As AWS's container answers."""
        return execution_parameters()

    def _question(self, request: Request) -> _Question | Response:
        try:
            if not request.body:
                raise InvalidRequestError(204)
            content, reader = _reader(request)
            return _Question(self._read(content, reader, request.body), self._accept(request), request.custom_attributes)
        except InvalidRequestError as error:
            return error.response

    def _read(self, content: str, reader: Reader, body: bytes) -> Rows:
        try:
            return self._predictor.fitted(reader(body), content)
        except WrongFeaturesError as error:
            raise InvalidRequestError(400, f"Unable to evaluate payload provided: {error}") from error
        except (UnreadablePayloadError, MalformedRecordError) as error:
            text = f"Loading {content} data failed with Exception, please ensure data is in {content} format:\n {error}"
            raise InvalidRequestError(415, text) from error

    def _accept(self, request: Request) -> str:
        asked = request.accept
        if self._one_line:
            return answers.CSV
        if asked in self._accepted:
            return asked
        first = asked.partition(",")[0].partition(";")[0].strip().lower()
        accept = self._default_accept if first in ("", "*/*") else first
        if accept not in self._accepted:
            raise InvalidRequestError(406, f"Accept type {accept} is not supported.")
        return accept

    def _predict_together(self, questions: list[_Question]) -> list[Response]:
        values = array("d")
        for question in questions:
            values.extend(question.rows.values)
        try:
            predictions = self._predictor.predict(DenseRows(values, self._predictor.traits.columns))
        except XgboostError:  # one of them is the cause: let each answer for itself
            return [self._predict_alone(question) for question in questions]
        responses, start, width = [], 0, predictions.width
        for question in questions:
            end = start + len(question.rows.values) // self._predictor.traits.columns * width
            responses.append(self._response(question, Predictions(predictions.values[start:end], width)))
            start = end
        return responses

    def _predict_alone(self, question: _Question) -> Response:
        try:
            return self._response(question, self._predictor.predict(question.rows))
        except XgboostError as error:
            return Response(400, f"Unable to evaluate payload provided: {error}".encode())

    def _response(self, question: _Question, predictions: Predictions) -> Response:
        accept = question.accept
        if self._keys:
            body = answers.selected(predictions, accept, self._keys, self._predictor.traits)
        elif self._transforms and accept == answers.CSV:
            body = answers.joined(predictions, "\n") + b"\n"
        elif self._one_line or (self._joined and accept == answers.CSV):
            body = answers.joined(predictions, ",")
        else:
            body = answers.plain(predictions, accept)
        content_type = accept + "; charset=utf-8" if accept == answers.CSV else accept
        return Response(200, body, content_type, question.custom_attributes)


def _reader(request: Request) -> tuple[str, Reader]:
    """By content type; a request without one is libsvm if it looks like it, else CSV."""
    content_type = request.content_type
    found = READERS.get(content_type) or READERS.get(content_type.partition(";")[0].strip().lower())
    if found is None and content_type in ("", "application/octet-stream"):
        return READERS["text/libsvm" if b":" in request.body[:4096] else "text/csv"]
    if found is None:
        raise InvalidRequestError(415, f"Content type {content_type} is not supported.")
    return found
