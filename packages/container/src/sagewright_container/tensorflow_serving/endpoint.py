"""The endpoint of a TensorFlow image: content types, the custom attributes ``tfs-…``, and a script's handlers before and behind the model."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import traceback
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from sagewright_container.serving.content import media_type
from sagewright_container.serving.message import Request, Response
from sagewright_container.tensorflow_serving.document import JSON, document
from sagewright_container.tensorflow_serving.rest import RestError, Signature, predict
from sagewright_container.tensorflow_serving.rest_server import RestServer

_LINES = "application/jsonlines"
_ATTRIBUTE = re.compile(r"(tfs-[a-z-]+)=([^,]+)")


class Shelf(Protocol):
    """The models of a container: of TensorFlow, or compiled."""

    @property
    def names(self) -> Sequence[str]:
        """In order."""

    def signatures(self, name: str, version: str = "") -> Mapping[str, Signature]:
        """Of a version, or of the highest. Raises RestError."""


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
        self.headers = {"content-type": JSON}

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.content)


class TensorFlowEndpoint:
    """A request at a time. A script's ``handler`` wins over its ``input_handler`` and ``output_handler``."""

    def __init__(self, models: Shelf, script: ModuleType | None) -> None:
        self._models = models
        self._default = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME") or models.names[0]
        self._input = getattr(script, "input_handler", None)
        self._output = getattr(script, "output_handler", None)
        self._handler: Callable[..., Any] | None = getattr(script, "handler", None)
        self._rest: RestServer | None = None
        if script is not None:
            self._rest = RestServer(lambda *asked: _ask(models, *asked))
            weakref.finalize(self, self._rest.close)  # one of many models is unloaded by being forgotten

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
            return Response(error.status, _error(error), JSON)
        except Exception as error:  # noqa: BLE001 - the user's handlers may raise anything
            traceback.print_exc(file=sys.stderr)
            return Response(500, _error(error), JSON)

    def _through(self, request: Request, context: Context) -> Response:
        if self._handler is not None:
            body, kind = self._handler(io.BytesIO(request.body), context)
            return Response(200, _bytes(body), kind, request.custom_attributes)
        if self._input:
            asked = _bytes(self._input(io.BytesIO(request.body), context))
        else:
            asked = document(request.body, context.request_content_type)
        answer = Answer(*_ask(self._models, context.model_name, context.model_version, context.method, asked))
        if self._output is not None:
            body, kind = self._output(answer, context)
            return Response(200, _bytes(body), kind, request.custom_attributes)
        kind = _LINES if context.accept_header.startswith(_LINES) else JSON
        return Response(answer.status_code, answer.content, kind, request.custom_attributes)

    def _context(self, request: Request) -> Context:
        named = dict(_ATTRIBUTE.findall(request.custom_attributes))
        accept = (
            request.accept
            if request.accept not in ("", "*/*")
            else os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
        )
        model, version = named.get("tfs-model-name", self._default), named.get("tfs-model-version", "")
        method = named.get("tfs-method", "predict")
        return Context(
            model,
            version,
            method,
            self._rest.uri(model, version, method) if self._rest else "",
            "",
            request.custom_attributes,
            media_type(request.content_type) or JSON,
            accept,
            str(len(request.body)),
        )


def _ask(models: Shelf, model: str, version: str, method: str, body: bytes) -> tuple[int, bytes]:
    """As TensorFlow Serving answers (rest_server.Ask)."""
    try:
        signatures = models.signatures(model, version)
        if method != "predict":
            raise RestError(400, f"the method {method} is not served, only predict")
        return 200, predict(signatures, body)
    except RestError as error:
        return error.status, _error(error)


def _error(error: Exception) -> bytes:
    return json.dumps({"error": str(error)}).encode()


def _bytes(body: Any) -> bytes:
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
