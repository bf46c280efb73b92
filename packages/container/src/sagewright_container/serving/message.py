"""One inference request and its answer, whichever way they travel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """``accept`` and ``custom_attributes`` are "" when the caller sent none; ``body`` is the payload as it came.

    A server of many models is told which ``model`` is asked, or which ``operation`` it is to do with it (many_models.py); one that
    takes adapters which ``adapter`` is to answer, and by which name (``alias``) the caller knows it (adapters.py).
    """

    body: bytes
    content_type: str = ""
    accept: str = ""
    custom_attributes: str = ""
    inference_id: str = ""
    model: str = ""
    operation: str = ""
    adapter: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Response:
    """``body`` may be an iterable of bytes: over HTTP it is then sent piece by piece (chunks)."""

    status: int
    body: bytes | Iterable[bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    custom_attributes: str = ""


class InvalidRequestError(Exception):
    """The request cannot be answered; ``status`` is the HTTP status (204, 400, 406, 413, 415), the text its body."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.response = Response(status, message.encode())
