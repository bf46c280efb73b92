"""A user's model as an endpoint: bytes to input_fn to predict_fn to output_fn to bytes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sagewright_container.serving.content import JSON, TEXT_TYPES, UnsupportedFormatError, media_type
from sagewright_container.serving.context import Context
from sagewright_container.serving.functions import Functions
from sagewright_container.serving.message import InvalidRequestError, Request, Response

_ANY = ("", "*/*", "any")


class UserEndpoint:
    """Loads the model at once; answers a request at a time."""

    def __init__(self, functions: Functions, folder: Path) -> None:
        self._functions = functions
        self._folder = folder
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or JSON
        self._model = functions.model_fn(str(folder), Context(folder))

    def invoke(self, requests: list[Request]) -> list[Response]:
        """A user's exception is a 500 with its traceback, as AWS's model server answers."""
        return [self._answer(request) for request in requests]

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """A script has no opinion: batch transform then uses its defaults."""
        return Response(404, b"Not Found")

    def _answer(self, request: Request) -> Response:
        context = Context(self._folder, request)
        accept = self._default_accept if request.accept in _ANY else request.accept
        try:
            return _response(self._transform(request, accept, context), accept, context)
        except InvalidRequestError as error:
            return error.response
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything; the caller and the log get its traceback
            text = traceback.format_exc()
            print(text, file=sys.stderr, flush=True)
            if self._functions.failed is not None:
                return self._functions.failed(error)
            return Response(500, text.encode())

    def _transform(self, request: Request, accept: str, context: Context) -> Any:
        data = _payload(request)
        content_type = request.content_type or JSON
        if self._functions.transform_fn is not None:
            return self._functions.transform_fn(self._model, data, content_type, accept, context)
        try:
            data = self._functions.input_fn(data, content_type, context)
        except UnsupportedFormatError as error:
            raise InvalidRequestError(415, str(error)) from error
        prediction = self._functions.predict_fn(data, self._model, context)
        try:
            return self._functions.output_fn(prediction, accept, context)
        except UnsupportedFormatError as error:
            raise InvalidRequestError(406, str(error)) from error


def _payload(request: Request) -> str | bytes:
    if media_type(request.content_type or JSON) not in TEXT_TYPES:
        return request.body
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(400, f"the payload is not UTF-8: {error}") from error


def _response(result: Any, accept: str, context: Context) -> Response:
    """output_fn returns a body, a body and its content type, or an object with get_data(), mimetype and status_code."""
    status, content_type, body = context.response_status, accept, result
    if isinstance(result, tuple) and len(result) == 2:
        body, content_type = result
    elif hasattr(result, "get_data") and hasattr(result, "mimetype"):
        body, content_type, status = result.get_data(), result.mimetype, result.status_code
    return Response(status, _body(body), context.response_content_type or content_type, context.custom_attributes)


def _body(body: Any) -> bytes | Iterable[bytes]:
    """Bytes, text, or an iterator of either, which is a stream."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "__next__"):
        return (piece.encode() if isinstance(piece, str) else piece for piece in body)
    raise TypeError(f"output_fn must return bytes, str or an iterator of them, not {type(body).__name__}")
