"""HTTP/1.1 as a container's server needs it: bytes in, messages out; keep-alive, Content-Length and chunks.

Written by hand because it shares one select loop with the frames, and because headers and body must leave in one write: two
small packets cost 40 ms with delayed acknowledgements.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from sagewright_container.serving.message import Response

MAXIMUM_HEAD = 64 << 10
_CUSTOM = "x-amzn-sagemaker-custom-attributes"


class MalformedHttpError(ValueError):
    """Answer ``status`` and close."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class HttpRequest:
    """Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    query: str = ""


@dataclass(frozen=True)
class _Head:
    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool
    length: int
    chunked: bool
    query: str


class HttpStream:
    """Turns the bytes of one connection into requests."""

    def __init__(self, maximum_body: int) -> None:
        self._buffer = bytearray()
        self._maximum_body = maximum_body
        self._head: _Head | None = None
        self._chunks = bytearray()
        self._continue = False

    def feed(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._buffer += data

    def next(self) -> HttpRequest | None:
        """The next complete request, or None. Raises MalformedHttpError."""
        if self._head is None:
            self._head = self._take_head()
        head = self._head
        if head is None:
            return None
        body = self._take_chunked() if head.chunked else self._take_sized(head.length)
        if body is None:
            return None
        self._head, self._continue = None, False
        return HttpRequest(head.method, head.path, head.headers, body, head.keep_alive, head.query)

    def take_continue(self) -> bool:
        """Whether the peer waits for "100 Continue"; true once per request."""
        asked, self._continue = self._continue, False
        return asked

    def _take_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAXIMUM_HEAD:
            if len(self._buffer) > MAXIMUM_HEAD:
                raise MalformedHttpError(431, "request head too large")
            return None
        head = _parse_head(self._buffer[:end].decode("latin-1"))
        if head.length > self._maximum_body:
            raise MalformedHttpError(413, f"payload larger than {self._maximum_body} bytes")
        del self._buffer[: end + 4]
        self._continue = head.headers.get("expect", "").lower() == "100-continue"
        return head

    def _take_sized(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_chunked(self) -> bytes | None:
        while True:
            line = self._buffer.find(b"\r\n")
            if line < 0:
                return None
            size = _chunk_size(bytes(self._buffer[:line]))
            if len(self._chunks) + size > self._maximum_body:
                raise MalformedHttpError(413, f"payload larger than {self._maximum_body} bytes")
            end = line + 2 + size
            if len(self._buffer) < end + 2:
                return None
            self._chunks += self._buffer[line + 2 : end]
            del self._buffer[: end + 2]
            if size == 0:
                body, self._chunks = bytes(self._chunks), bytearray()
                return body


def encode_head(response: Response, length: int | None, keep_alive: bool) -> bytes:
    """The head of an answer; ``length`` None announces chunks."""
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
    if response.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Type: {_one_line(response.content_type)}")
        lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    if response.custom_attributes:
        lines.append(f"X-Amzn-SageMaker-Custom-Attributes: {_one_line(response.custom_attributes)}")
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def encode(response: Response, keep_alive: bool) -> bytes:
    """A whole answer, for one write."""
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return encode_head(response, len(body), keep_alive) + body


def chunk(piece: bytes) -> bytes:
    """One chunk of a body sent in pieces."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def custom_attributes(request: HttpRequest) -> str:
    """The caller's X-Amzn-SageMaker-Custom-Attributes, or ""."""
    return request.headers.get(_CUSTOM, "")


def _parse_head(text: str) -> _Head:
    first, *lines = text.split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise MalformedHttpError(400, "malformed request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, found, value = line.partition(":")
        if not found or not name or name != name.strip():
            raise MalformedHttpError(400, "malformed header line")
        headers[name.lower()] = value.strip()
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if parts[2] == "HTTP/1.1" else connection == "keep-alive"
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    if "transfer-encoding" in headers and (not chunked or "content-length" in headers):
        raise MalformedHttpError(400, "a body is either chunked or has a Content-Length")
    path, _, query = parts[1].partition("?")
    return _Head(parts[0], path, headers, keep_alive, _length(headers), chunked, query)


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise MalformedHttpError(400, "malformed Content-Length")
    return int(text)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):  # int() also takes signs, 0x and underscores
        raise MalformedHttpError(400, "malformed chunk")
    return int(digits, 16)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
