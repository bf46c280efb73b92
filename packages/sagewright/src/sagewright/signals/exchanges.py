"""Exchanges with an endpoint on their way to S3: the file that a front appends to and control reads, and the record that a client gets.

A spool file begins with a line of JSON (``Source``), then exchanges, each ``<four lengths><head><input><output>``: bodies as they
are, so that the front spends no time on them. Whoever writes a file holds a lock on it; a file that nobody locks is complete, or its
writer is dead: then its last exchange may be torn, and is not there.
"""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

OPEN = ".open"
"""How the name of a file ends that is being written."""
CLOSED = ".captured"
"""How it ends when it is complete."""

_LENGTHS = struct.Struct("<III")
Body = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Source:
    """Where the exchanges of a file were captured: ``endpoint`` is ``<account>/<region>/<name>``, ``config`` a DataCaptureConfig.

    ``dropped``: exchanges that were to be captured before this file and were not, because nobody wrote them away fast enough.
    """

    endpoint: str
    variant: str
    config: dict[str, Any]
    dropped: int = 0

    def line(self) -> bytes:
        """The first line of a file."""
        members = {"endpoint": self.endpoint, "variant": self.variant, "config": self.config, "dropped": self.dropped}
        return orjson.dumps(members) + b"\n"


class Exchange(NamedTuple):
    """``at`` in epoch seconds; a body is None when it was not to be captured."""

    at: float
    input_type: str
    output_type: str
    inference_id: str | None
    custom_attributes: str | None
    input: Body | None
    output: Body | None


def packed(exchange: Exchange) -> tuple[bytes, Body, Body]:
    """An exchange as it is written, its bodies untouched."""
    *said, given, answered = exchange
    head = orjson.dumps((*said, given is not None, answered is not None))
    given, answered = given or b"", answered or b""
    return _LENGTHS.pack(len(head), len(given), len(answered)) + head, given, answered


def read(path: Path) -> tuple[Source, list[Exchange]] | None:
    """The content of a file, which is a few megabytes; None when not even its first line was written."""
    with path.open("rb") as file:
        try:
            source = Source(**orjson.loads(file.readline()))
        except (ValueError, TypeError):
            return None
        return source, list(_exchanges(file))


def _exchanges(file: IO[bytes]) -> Iterator[Exchange]:
    while len(lengths := file.read(_LENGTHS.size)) == _LENGTHS.size:
        sizes = _LENGTHS.unpack(lengths)
        parts = [file.read(size) for size in sizes]
        if [len(part) for part in parts] != list(sizes):
            return
        at, given, answered, inference_id, attributes, has_input, has_output = orjson.loads(parts[0])
        bodies = (parts[1] if has_input else None, parts[2] if has_output else None)
        yield Exchange(at, given, answered, inference_id, attributes, *bodies)


def document(exchange: Exchange, event: uuid.UUID, config: dict[str, Any]) -> bytes:
    """One line of JSON (DG:model-monitor-data-capture-endpoint)."""
    data = {}
    if exchange.input is not None:
        data["endpointInput"] = _data(exchange.input, exchange.input_type, "INPUT", config)
    if exchange.output is not None:
        data["endpointOutput"] = _data(exchange.output, exchange.output_type, "OUTPUT", config)
    metadata: dict[str, Any] = {"eventId": str(event)}
    if exchange.inference_id:
        metadata["inferenceId"] = exchange.inference_id
    if exchange.custom_attributes:
        metadata["customAttributes"] = [exchange.custom_attributes]
    metadata["inferenceTime"] = datetime.fromtimestamp(exchange.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return orjson.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}) + b"\n"


def _data(body: Body, content_type: str, mode: str, config: dict[str, Any]) -> dict[str, str]:
    encoding = _encoding(content_type, config.get("CaptureContentTypeHeader") or {})
    text = ""
    if encoding != "BASE64":
        try:
            text = bytes(body).decode()
        except UnicodeDecodeError:  # it is not what its content type says: kept as it is
            encoding = "BASE64"
    if encoding == "BASE64":
        text = base64.b64encode(body).decode("ascii")
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoding(content_type: str, headers: dict[str, list[str]]) -> str:
    """API CaptureContentTypeHeader: types that are not named are captured in base64. Parameters of a type do not matter."""
    plain = content_type.partition(";")[0].strip().lower()
    if plain in (named.lower() for named in headers.get("CsvContentTypes", ())):
        return "CSV"
    if plain in (named.lower() for named in headers.get("JsonContentTypes", ())):
        return "JSON"
    return "BASE64"


def event_of(file: str, number: int) -> uuid.UUID:
    """The same exchange of the same file always has the same id: writing it away twice changes nothing."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{file}/{number}")
