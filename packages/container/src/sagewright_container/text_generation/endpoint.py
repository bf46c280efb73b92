"""The endpoint of a text model: requests in one server's words, each answered by a thread of its own while the engine decodes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Protocol

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.parameters import Refusal


class Dialect(Protocol):
    """Requests and answers of one server."""

    def answer(self, request: Request) -> Response:
        """Raises Refusal."""

    def refused(self, refusal: Refusal) -> Response:
        """The answer to a request that was refused."""


class Held(Protocol):
    """The adapters of a model that takes them (shelf.py)."""

    def find(self, name: str, alias: str) -> Dialect:
        """Who answers with the adapter. Raises Refusal."""

    def operate(self, request: Request) -> Response:
        """Loads or unloads."""


class TextEndpoint:
    """At most ``clients`` requests at a time; further ones are told that the model is overloaded."""

    def __init__(self, dialect: Dialect, clients: int, shelf: Held | None = None) -> None:
        self._dialect = dialect
        self._shelf = shelf
        self._places = threading.BoundedSemaphore(clients)

    def invoke(self, requests: list[Request]) -> list[Response]:
        """Each by itself: the server calls this from several threads."""
        return [self._operate(request) if request.operation else self._answer(request) for request in requests]

    def takes_adapters(self) -> bool:
        """Whether it was started so (serving/adapters.py)."""
        return self._shelf is not None

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """These servers have no opinion."""
        return Response(404, b"Not Found")

    def _operate(self, request: Request) -> Response:
        return Response(404, b"Not Found") if self._shelf is None else self._shelf.operate(request)

    def _asked(self, request: Request) -> Dialect:
        if not request.adapter or self._shelf is None:
            return self._dialect
        return self._shelf.find(request.adapter, request.alias)

    def _answer(self, request: Request) -> Response:
        if not self._places.acquire(blocking=False):
            return self._dialect.refused(Refusal("overloaded", ""))
        held = True
        try:
            response = self._asked(request).answer(request)
            if not isinstance(response.body, bytes):
                body = _held(response.body, self._places)
                held = bool(next(body))
                response = Response(response.status, body, response.content_type)
        except Refusal as refusal:
            return self._dialect.refused(refusal)
        finally:
            if held:
                self._places.release()
        return response


def _held(body: Iterable[bytes], places: threading.BoundedSemaphore) -> Iterator[bytes]:
    """A streamed body that gives its place back when it ends, or when nobody listens any more.

    Its first piece is empty and taken at once: a generator that never started runs none of its code when it is dropped.
    """
    try:
        yield b""
        yield from body
    finally:
        places.release()
