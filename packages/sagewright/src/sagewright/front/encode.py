"""Status line and headers of an answer as bytes. On the hot path of every request, hence hand-made."""

from __future__ import annotations

import time
from http import HTTPStatus

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_BODILESS = frozenset((204, 304))


class DateHeader:
    """The ``Date`` and ``Server`` header lines, made once a second."""

    __slots__ = ("_lines", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._lines = ""

    def lines(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._lines = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\nServer: Sagewright\r\n", time.gmtime(second))
        return self._lines


def encode_head(status: int, headers: list[tuple[str, str]], common: str, framing: str) -> bytes:
    """The bytes before the body. ``common`` and ``framing`` are ready header lines, each ending in CR LF."""
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Status\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        fields = "".join([f"{_one_line(name)}: {_one_line(value)}\r\n" for name, value in headers])
    text = f"{line}{common}{fields}{framing}\r\n"
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def has_body(method: str, status: int) -> bool:
    """Whether an answer to ``method`` with ``status`` carries a body (RFC 9110, 6.4.1)."""
    return method != "HEAD" and status not in _BODILESS and status >= 200


def _one_line(text: str) -> str:
    """A header that a container or a client chose must not start a header of its own."""
    return text.replace("\r", " ").replace("\n", " ")
