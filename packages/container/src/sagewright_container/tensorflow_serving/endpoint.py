"""The endpoint of a TensorFlow image: content types, the custom attributes ``tfs-…``, and a script's handlers before and behind the model."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from sagewright_container.serving.content import media_type
from sagewright_container.serving.message import Request, Response
from sagewright_container.tensorflow_serving.models import Models
from sagewright_container.tensorflow_serving.rest import RestError, predict

_JSON, _CSV = "application/json", "text/csv"
_LINES = ("application/jsonlines", "application/jsons")


class Context(NamedTuple):
    """What a script's handlers get beside the data (SageMaker's TensorFlow Serving container)."""

    model_name: str
    model_version: str
    method: str
    rest_uri: str
    grpc_port: str
    custom_attributes: str
    request_content_type: str
    accept_header: str
    content_length: str


class Answer:
    """What the model server answered, as ``output_handler`` reads it (the part of requests.Response that scripts use)."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code = status
        self.content = content
        self.ok = status < 400
        self.headers = {"content-type": _JSON}

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.content)


class TensorFlowEndpoint:
    """A request at a time."""

    def __init__(self, models: Models, script: ModuleType | None) -> None:
        self._models = models
        self._default = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME") or models.names[0]
        self._input = getattr(script, "input_handler", None)
        self._output = getattr(script, "output_handler", None)
        self._handler: Callable[..., Any] | None = getattr(script, "handler", None)

    def invoke(self, requests: list[Request]) -> list[Response]:
        """A script's exception is a 500 with its words, as the container answers."""
        return [self._answer(request) for request in requests]

    def ping(self) -> Response:
        """The models were loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """The container has no opinion."""
        return Response(404, b"Not Found")

    def _answer(self, request: Request) -> Response:
        try:
            return self._through(request, self._context(request))
        except RestError as error:
            return Response(error.status, json.dumps({"error": str(error)}).encode(), _JSON)
        except Exception as error:  # noqa: BLE001 - the user's handlers may raise anything
            traceback.print_exc(file=sys.stderr)
            return Response(500, json.dumps({"error": str(error)}).encode(), _JSON)

    def _through(self, request: Request, context: Context) -> Response:
        if self._handler is not None:
            body, kind = self._handler(io.BytesIO(request.body), context)
            return Response(200, _bytes(body), kind, request.custom_attributes)
        document = self._input(io.BytesIO(request.body), context) if self._input else _document(request.body, context)
        answer = self._asked(_bytes(document), context)
        if self._output is not None:
            body, kind = self._output(answer, context)
            return Response(200, _bytes(body), kind, request.custom_attributes)
        return Response(answer.status_code, answer.content, _JSON, request.custom_attributes)

    def _asked(self, document: bytes, context: Context) -> Answer:
        try:
            if context.method != "predict":
                raise RestError(400, f"the method {context.method} is not served, only predict")
            return Answer(200, predict(self._models.signatures(context.model_name, context.model_version), document))
        except RestError as error:
            return Answer(error.status, json.dumps({"error": str(error)}).encode())

    def _context(self, request: Request) -> Context:
        named = dict(part.strip().partition("=")[::2] for part in request.custom_attributes.split(",") if "=" in part)
        accept = (
            request.accept
            if request.accept not in ("", "*/*")
            else os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", _JSON)
        )
        return Context(
            named.get("tfs-model-name", self._default),
            named.get("tfs-model-version", ""),
            named.get("tfs-method", "predict"),
            "",
            "",
            request.custom_attributes,
            media_type(request.content_type) or _JSON,
            accept,
            str(len(request.body)),
        )


def _document(body: bytes, context: Context) -> bytes:
    """The default input handler. Raises RestError."""
    kind = context.request_content_type
    try:
        if kind == _JSON:
            return _json(body)
        if kind in _LINES:
            return json.dumps({"instances": [json.loads(line) for line in body.decode().splitlines() if line.strip()]}).encode()
        if kind == _CSV:
            rows = [[_cell(cell) for cell in row] for row in csv.reader(io.StringIO(body.decode())) if row]
            return json.dumps({"instances": rows}).encode()
    except ValueError as error:
        raise RestError(400, f"the request is not {kind}: {error}") from error
    raise RestError(415, f'{{"error": "Unsupported Media Type: {kind}"}}')


def _json(body: bytes) -> bytes:
    """A list is rows; several documents, one per line, are, too. Raises ValueError."""
    try:
        document = json.loads(body)
    except ValueError:
        lines = [json.loads(line) for line in body.decode().splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        document = lines
    if isinstance(document, dict) and ("instances" in document or "inputs" in document):
        return body
    return json.dumps({"instances": document if isinstance(document, list) else [document]}).encode()


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _bytes(body: Any) -> bytes:
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
