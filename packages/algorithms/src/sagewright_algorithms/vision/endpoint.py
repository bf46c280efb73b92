"""The endpoint of a model that answers images: one image per request, those that have arrived are answered together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from sagewright_algorithms.common.endpoint import media_type
from sagewright_algorithms.manifest import Inference
from sagewright_algorithms.vision.image import Picture, UnreadableImageError, decode
from sagewright_container.serving.message import InvalidRequestError, Request, Response
from sagewright_container.serving.start import execution_parameters, serve_model

_MOST_TOGETHER = 32  # images of one forward pass: more cost memory and are not faster


@dataclass(frozen=True, slots=True)
class Accept:
    """What the caller wants: ``application/json;annotation=1`` is a media type and the options ``("annotation=1",)``."""

    media_type: str
    options: tuple[str, ...] = ()


class ImageModel(Protocol):
    """A loaded model. ``shorter``: as in ``image.decode``."""

    shorter: int | None

    def answer(self, images: Sequence[Picture], accept: Accept) -> list[bytes]:
        """A body per image (RGB, upright, of any size), of the accepted type. Must not raise."""


def run(load: Callable[[Path], ImageModel], inference: Inference) -> int:
    """Serves what ``load`` makes of /opt/ml/model until SIGTERM; 1 when it raises OSError, ValueError or KeyError."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return serve_model(lambda folder: ImageEndpoint(load(folder), inference))


@dataclass(frozen=True, slots=True)
class Question:
    """A request that can be answered."""

    image: Picture
    accept: Accept
    custom_attributes: str


class ImageEndpoint:
    """See the module docstring."""

    def __init__(self, model: ImageModel, inference: Inference) -> None:
        self._model, self._inference = model, inference
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "decode")
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or inference.default_response_type

    def invoke(self, asked: list[Request]) -> list[Response]:
        """Errors stay with their request; those that accept the same are answered together."""
        each = map if len(asked) == 1 else self._pool.map  # another thread costs more than it gains for one
        found = list(each(self._question, asked))
        places: dict[Accept, list[int]] = {}
        for place, item in enumerate(found):
            if isinstance(item, Question):
                places.setdefault(item.accept, []).append(place)
        responses = [item if isinstance(item, Response) else Response(500) for item in found]
        for accept, numbers in places.items():
            for start in range(0, len(numbers), _MOST_TOGETHER):
                self._answer(found, responses, numbers[start : start + _MOST_TOGETHER], accept)
        return responses

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """What batch transform should do unless the request says otherwise."""
        return execution_parameters("SINGLE_RECORD")

    def _question(self, request: Request) -> Question | Response:
        try:
            if media_type(request.content_type) not in self._inference.request_types:
                raise InvalidRequestError(415, f"Content-type {request.content_type} not supported")
            accept = accepted(request.accept, self._default_accept, self._inference)
            return Question(self._image(request.body), accept, request.custom_attributes)
        except InvalidRequestError as error:
            return error.response

    def _image(self, body: bytes) -> Picture:
        try:
            return decode(body, self._model.shorter)
        except UnreadableImageError as error:
            raise InvalidRequestError(400, f"unable to evaluate payload provided: {error}") from error

    def _answer(
        self, found: Sequence[Question | Response], responses: list[Response], numbers: list[int], accept: Accept
    ) -> None:
        questions = [item for number in numbers if isinstance(item := found[number], Question)]
        bodies = self._model.answer([question.image for question in questions], accept)
        for number, question, body in zip(numbers, questions, bodies, strict=True):
            responses[number] = Response(200, body, accept.media_type, question.custom_attributes)


def accepted(header: str, default: str, inference: Inference) -> Accept:
    """The first type of an Accept header, with its options. Raises InvalidRequestError."""
    first = header.partition(",")[0]
    if media_type(first) in ("", "*/*"):
        first = default
    name, *options = (part.strip().lower() for part in first.split(";"))
    if name not in inference.response_types:
        raise InvalidRequestError(406, f"Accept type {name} is not supported")
    return Accept(name, tuple(sorted(option.replace(" ", "") for option in options if option)))
