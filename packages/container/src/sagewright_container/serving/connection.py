"""One connection of the server: its bytes become questions, its answers become bytes. Knows no sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sagewright_container.serving import adapters
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.frames import Coming, Frame, answer, pack, request, unpack
from sagewright_container.serving.http import (
    HttpRequest,
    HttpStream,
    MalformedHttpError,
    chunk,
    custom_attributes,
    encode,
    encode_head,
)
from sagewright_container.serving.many_models import ManyModels, question
from sagewright_container.serving.message import Request, Response

LAST_CHUNK = b"0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Question = tuple[int, Request]
"""A token that names the question on its connection, and the request."""


class Connection(Protocol):
    """``outgoing`` holds what must be written now; ``closing`` says to close once it is written; ``missing``: so many bytes are to
    come for sure."""

    outgoing: bytearray
    closing: bool

    @property
    def missing(self) -> int:
        """See above."""

    def receive(self, data: bytes) -> list[Question]:
        """The questions that are complete now. Raises ValueError when the peer talks nonsense."""

    def encode(self, token: int, response: Response) -> Iterator[bytes]:
        """The bytes of an answer, in pieces when its body comes in pieces. May run in another thread than the rest."""

    def answered(self) -> list[Question]:
        """The answer was handed over: a question that waited behind it may come up."""


class FrameConnection:
    """Multiplexed: any number of questions at once, answered in any order."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.outgoing = bytearray()
        self.closing = False
        self._incoming = bytearray()
        self._coming: Coming | None = None
        self._endpoint = endpoint

    @property
    def missing(self) -> int:
        """See Connection."""
        return 0 if self._coming is None else self._coming.missing

    def receive(self, data: bytes) -> list[Question]:
        """Pings are answered at once. Raises MalformedFrameError."""
        questions: list[Question] = []
        if self._coming is not None:
            data = self._coming.take(data)
            if self._coming.missing:
                return questions
            self._ask(self._coming.frame(), questions)
            self._coming = None
        self._incoming += data
        for frame in unpack(self._incoming):
            self._ask(frame, questions)
        if self._incoming:
            self._coming = Coming.of(self._incoming)
        return questions

    def _ask(self, frame: Frame, questions: list[Question]) -> None:
        if frame.header.get("op") == "ping":
            self.outgoing += pack(frame.id, {"status": self._endpoint.ping().status}, b"")
        else:
            questions.append((frame.id, request(frame)))

    def encode(self, token: int, response: Response) -> Iterator[bytes]:
        """One frame."""
        yield answer(token, response)

    def answered(self) -> list[Question]:
        """Nothing waits here."""
        return []


class HttpConnection:
    """One question at a time: the next is read when the last is answered, so pipelined answers keep their order."""

    missing = 0

    def __init__(self, endpoint: Endpoint, maximum_body: int) -> None:
        self.outgoing = bytearray()
        self.closing = False
        self._busy = False
        self._keep_alive = True
        self._stream = HttpStream(maximum_body)
        self._endpoint = endpoint

    def receive(self, data: bytes) -> list[Question]:
        """At most one question; everything but POST /invocations is answered at once."""
        self._stream.feed(data)
        return self._next_question()

    def encode(self, token: int, response: Response) -> Iterator[bytes]:
        """Head and body in one piece, or the head and a chunk per piece."""
        if isinstance(response.body, bytes):
            yield encode(response, self._keep_alive)
        else:
            yield encode_head(response, None, self._keep_alive)
            for piece in response.body:
                if piece:
                    yield chunk(piece)
            yield LAST_CHUNK

    def answered(self) -> list[Question]:
        """Closes when the peer asked for it, else reads on."""
        self._busy = False
        self.closing = not self._keep_alive
        return self._next_question()

    def _next_question(self) -> list[Question]:
        try:
            return self._questions()
        except MalformedHttpError as error:
            self.outgoing += encode(Response(error.status, str(error).encode()), keep_alive=False)
            self.closing = True
            return []

    def _questions(self) -> list[Question]:
        while not self._busy and not self.closing:
            incoming = self._stream.next()
            if self._stream.take_continue():
                self.outgoing += _CONTINUE
            if incoming is None:
                break
            self._keep_alive = incoming.keep_alive
            if incoming.path == "/invocations" and incoming.method == "POST":
                self._busy = True
                return [(0, _inference(incoming))]
            asked = self._of_models(incoming)
            if asked is not None:
                self._busy = True
                return [(0, asked)]
            self.outgoing += encode(self._other(incoming), incoming.keep_alive)
            self.closing = not incoming.keep_alive
        return []

    def _of_models(self, incoming: HttpRequest) -> Request | None:
        """What a server of many models, or of adapters, is asked beside its one model's ways."""
        if incoming.path.startswith("/adapters"):
            return self._of_adapters(incoming)
        if not isinstance(self._endpoint, ManyModels) or not incoming.path.startswith("/models"):
            return None
        return question(incoming.method, incoming.path, incoming.query, _inference(incoming))

    def _of_adapters(self, incoming: HttpRequest) -> Request | None:
        if not isinstance(self._endpoint, adapters.TakesAdapters) or not self._endpoint.takes_adapters():
            return None
        return adapters.question(incoming.method, incoming.path, _inference(incoming))

    def _other(self, incoming: HttpRequest) -> Response:
        paths = {"/ping": self._endpoint.ping, "/execution-parameters": self._endpoint.execution_parameters}
        if incoming.path in paths:
            return paths[incoming.path]() if incoming.method == "GET" else Response(405, b"Method Not Allowed")
        return Response(405 if incoming.path == "/invocations" else 404, b"Not Found")


def _inference(incoming: HttpRequest) -> Request:
    get = incoming.headers.get
    return Request(
        incoming.body,
        get("content-type", ""),
        get("accept", ""),
        custom_attributes(incoming),
        get("x-amzn-sagemaker-inference-id", ""),
        adapter=get(adapters.IDENTIFIER, ""),
        alias=get(adapters.ALIAS, ""),
    )
