"""The endpoint of a JumpStart model: one JSON document per request; all that has arrived is predicted at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from sagewright_algorithms.manifest import Inference
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.serving.start import execution_parameters

JSON, VERBOSE = "application/json", "verbose"


class UnreadableInputError(ValueError):
    """The payload cannot be answered; the text is for the caller, who gets it with a 400."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``document`` is the answer, ``more`` what ``Accept: application/json;verbose`` adds. Values may hold NumPy arrays."""

    document: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)


class Model(Protocol):
    """What an algorithm brings."""

    def read(self, body: bytes, content_type: str) -> Any:
        """The input of one request; ``content_type`` is a media type of the manifest. Raises UnreadableInputError."""

    def predict(self, inputs: list[Any]) -> list[Answer]:
        """One answer per input, in their order. Must not raise."""


class JumpStartEndpoint:
    """See the module docstring. ``inference`` is the manifest's; no Content-Type means the first of its request types."""

    def __init__(self, model: Model, inference: Inference) -> None:
        self._model = model
        self._inference = inference

    def invoke(self, requests: list[Request]) -> list[Response]:
        """Errors stay with their request."""
        found = [self._question(request) for request in requests]
        questions = [item for item in found if isinstance(item, _Question)]
        answers = iter(self._model.predict([item.input for item in questions]) if questions else ())
        return [item if isinstance(item, Response) else item.response(next(answers)) for item in found]

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """What batch transform should do unless the request says otherwise."""
        return execution_parameters()

    def _question(self, request: Request) -> _Question | Response:
        try:
            content_type = request.content_type.partition(";")[0].strip().lower() or self._inference.request_types[0]
            if content_type not in self._inference.request_types:
                raise InvalidRequestError(415, f"Content-type {request.content_type} not supported")
            accept, verbose = self._accepted(request.accept)
            return _Question(self._model.read(request.body, content_type), accept, verbose, request.custom_attributes)
        except UnreadableInputError as error:
            return InvalidRequestError(400, str(error)).response
        except InvalidRequestError as error:
            return error.response

    def _accepted(self, header: str) -> tuple[str, bool]:
        """The content type of the answer as the caller wrote it, and whether it is the long one. Raises InvalidRequestError."""
        default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or self._inference.default_response_type
        first = header.partition(",")[0].strip().lower()
        name, *options = [part.strip() for part in (default if first in ("", "*/*") else first).split(";")]
        if name != JSON:
            raise InvalidRequestError(406, f"Accept type {header} is not supported")
        verbose = VERBOSE in options
        return (f"{name};{VERBOSE}" if verbose else name), verbose


@dataclass(frozen=True, slots=True)
class _Question:
    input: Any
    accept: str
    verbose: bool
    custom_attributes: str

    def response(self, answer: Answer) -> Response:
        """Its answer as a body."""
        document = {**answer.document, **answer.more} if self.verbose else dict(answer.document)
        return Response(200, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), self.accept, self.custom_attributes)
