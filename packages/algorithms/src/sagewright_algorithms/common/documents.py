"""The endpoint of a model whose answers are documents, not columns: everything that has arrived is answered at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from sagewright_algorithms.common import requests
from sagewright_algorithms.common.endpoint import accepted, media_type
from sagewright_algorithms.manifest import Inference
from sagewright_algorithms.recordio import encode
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.serving.start import execution_parameters

_UNREADABLE = "unable to evaluate payload provided"


class DocumentModel(Protocol):
    """``top`` is the member of a JSON answer that holds the list."""

    top: str

    def read(self, body: bytes, content_type: str, parameters: Mapping[str, str]) -> list[Any]:
        """What is asked, one item per record; ``parameters`` are those of the Content-Type. Raises UnreadablePayloadError."""

    def answer(self, items: list[Any]) -> list[Any]:
        """A JSON document for each item, or a Record where RecordIO was asked. Must not raise."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A request that can be answered."""

    items: list[Any]
    accept: str
    custom_attributes: str


class DocumentEndpoint:
    """``same_type``: the answer has the content type of the request, and no other may be asked for."""

    def __init__(self, model: DocumentModel, inference: Inference, same_type: bool = False) -> None:
        self._model = model
        self._inference = inference
        self._same_type = same_type
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or inference.default_response_type

    def invoke(self, asked: list[Request]) -> list[Response]:
        """Errors stay with their request."""
        found = [self._question(request) for request in asked]
        items = [item for question in found if isinstance(question, _Question) for item in question.items]
        answers = iter(self._model.answer(items) if items else ())
        return [question if isinstance(question, Response) else self._response(question, answers) for question in found]

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """What batch transform should do unless the request says otherwise."""
        return execution_parameters()

    def _question(self, request: Request) -> _Question | Response:
        try:
            content_type = media_type(request.content_type)
            if content_type not in self._inference.request_types:
                raise InvalidRequestError(415, f"Content-type {request.content_type} not supported")
            default = content_type if self._same_type else self._default_accept
            accept, _ = accepted(request.accept, default, self._inference)
            if self._same_type and accept != content_type:
                raise InvalidRequestError(406, f"Accept type {accept} is not supported for content type {content_type}")
            items = self._items(request.body, content_type, _parameters(request.content_type))
            return _Question(items, accept, request.custom_attributes)
        except InvalidRequestError as error:
            return error.response

    def _items(self, body: bytes, content_type: str, parameters: Mapping[str, str]) -> list[Any]:
        try:
            items = self._model.read(body, content_type, parameters)
        except requests.UnreadablePayloadError as error:
            raise InvalidRequestError(400, f"{_UNREADABLE}: {error}") from error
        if not items:
            raise InvalidRequestError(400, f"{_UNREADABLE}: it holds no records")
        return items

    def _response(self, question: _Question, answers: Any) -> Response:
        documents = [next(answers) for _ in question.items]
        if question.accept == requests.JSON:
            body = orjson.dumps({self._model.top: documents})
        elif question.accept == requests.JSON_LINES:
            body = b"".join(orjson.dumps(document) + b"\n" for document in documents)
        else:
            body = encode(documents)
        return Response(200, body, question.accept, question.custom_attributes)


def json_documents(body: bytes, content_type: str) -> list[Any]:
    """The instances of a JSON payload, or the lines of a JSON Lines one. Raises UnreadablePayloadError."""
    try:
        if content_type == requests.JSON_LINES:
            return [orjson.loads(line) for line in body.splitlines() if line.strip()]
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise requests.UnreadablePayloadError(str(error)) from error
    found = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise requests.UnreadablePayloadError('JSON needs the form {"instances": [...]}')
    return found


def _parameters(content_type: str) -> dict[str, str]:
    """``{"charset": "utf-8"}`` of ``text/csv; charset=utf-8``."""
    options = (option.partition("=") for option in content_type.split(";")[1:])
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in options}
