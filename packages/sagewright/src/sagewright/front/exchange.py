"""One request and its answer, the application that makes answers, and what a client may ask of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sagewright.front.body import Body
from sagewright.front.streamed import Answer
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response


class Application(Protocol):
    """What stands behind the connections."""

    def body_limit(self, head: Request) -> int | None:
        """The most body bytes to gather before ``answer`` is called; None: ``answer`` gets the body as it arrives."""

    def refuse(self, head: Request, fault: Fault) -> Response:
        """The answer to a request that is not even looked at (too large, too slow)."""

    async def answer(self, request: Request, body: Body | None) -> Answer:
        """Answers one request; raises nothing but CancelledError (the client went away)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds on what one client may ask of a connection: sizes in bytes, times in seconds."""

    head_bytes: int = 64 * 1024
    head_fields: int = 200
    head: float = 20.0
    body: float = 120.0
    silence: float = 60.0
    idle: float = 75.0
    linger: float = 5.0


class Exchange:
    """One request on its way through the connection."""

    __slots__ = ("body", "complete", "expects", "keep_alive", "limit", "minor", "parts", "refusal", "request", "size")

    def __init__(self, request: Request, keep_alive: bool, minor: bool) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.minor = minor
        """Spoken in HTTP/1.0: no chunked answers, no 100-continue."""
        self.limit: int | None = 0
        self.body: Body | None = None
        self.parts: list[bytes] = []
        self.size = 0
        self.complete = False
        self.expects = False
        self.refusal: Response | None = None
