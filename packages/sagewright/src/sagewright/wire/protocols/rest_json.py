"""rest-json: method and path name the operation; members travel in the path, the query string, headers and a JSON or raw body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson

from sagewright.wire.documents import Document, conversion, malformed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import OperationModel, Shape, StructureShape
from sagewright.wire.protocols import eventstream
from sagewright.wire.protocols.codec import REQUEST_ID, error_body, error_form
from sagewright.wire.protocols.json import json_reader, json_writer, read_object
from sagewright.wire.protocols.text import text_reader, text_writer

_MOST_QUERY_FIELDS = 10_000
_UNSAFE_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class _Member(NamedTuple):
    """A member outside the body; ``key`` is its name there (lower case for a header)."""

    name: str
    key: str
    shape: Shape


class RestJsonCodec:
    """One operation in rest-json."""

    def __init__(self, model: OperationModel) -> None:
        self._model = model
        self._input = _Input(model.input_shape)
        self._output = _Output(model)

    def parse(self, request: Request, labels: Mapping[str, str]) -> Document:
        return self._input.read(request, labels)

    def answer(self, document: Document, request_id: str) -> Response:
        return self._output.write(document, request_id)

    def fault(self, fault: Fault, request_id: str) -> Response:
        return fault_response(fault, request_id, self._model)


def fault_response(fault: Fault, request_id: str, model: OperationModel | None = None) -> Response:
    """A fault in rest-json; ``model`` is None when no operation could be found."""
    form = error_form(fault, model)
    headers = [("Content-Type", "application/json"), ("x-amzn-errortype", form.name), (REQUEST_ID, request_id)]
    return Response(form.status, headers, orjson.dumps(error_body(fault, form)))


class _Input:
    """Reads requests of one input shape."""

    def __init__(self, shape: StructureShape | None) -> None:
        self._labels = _members(shape, "uri")
        self._query = _members(shape, "querystring")
        self._headers = _members(shape, "header", lower=True)
        self._prefixes = _members(shape, "headers", lower=True)
        self._payload = shape.serialization.get("payload") if shape is not None else None
        self._payload_shape = shape.members[self._payload] if shape is not None and self._payload else None
        self._has_body = shape is not None and any("location" not in member.serialization for member in shape.members.values())
        self._convert = conversion(self._payload_shape or shape, json_reader)

    def read(self, request: Request, labels: Mapping[str, str]) -> Document:
        document = self._body(request.body)
        for member in self._labels:
            document[member.name] = text_reader(member.shape)(_unquoted(labels[member.key]))
        for member in self._headers:
            if member.key in request.headers:
                document[member.name] = _header(member.shape, request.headers[member.key])
        for member in self._prefixes:
            document[member.name] = _below_prefix(member.key, request.headers)
        if self._query:
            self._read_query(request.query, document)
        return document

    def _body(self, body: bytes) -> Document:
        if self._payload_shape is None:
            return read_object(body, self._convert) if self._has_body else {}
        name = str(self._payload)
        if self._payload_shape.type_name == "blob":
            return {name: body}
        if self._payload_shape.type_name == "string":
            return {name: _text(body)}
        return {name: read_object(body, self._convert)} if body else {}

    def _read_query(self, query: str, document: Document) -> None:
        fields = query_fields(query)
        for member in self._query:
            values = [value for key, value in fields if key == member.key]
            if not values:
                continue
            if member.shape.type_name == "list":
                document[member.name] = [text_reader(member.shape.member)(value) for value in values]
            else:
                document[member.name] = text_reader(member.shape)(values[-1])


class _Output:
    """Writes answers of one output shape."""

    def __init__(self, model: OperationModel) -> None:
        shape = model.output_shape
        self._status = model.http.get("responseCode", 200)
        self._status_member = next((member.name for member in _members(shape, "statusCode")), None)
        self._headers = _members(shape, "header")
        self._prefixes = _members(shape, "headers")
        self._payload = shape.serialization.get("payload") if shape is not None else None
        self._payload_shape = shape.members[self._payload] if shape is not None and self._payload else None
        self._elsewhere = (
            {name for name, member in shape.members.items() if "location" in member.serialization} if shape else set()
        )
        self._convert = conversion(self._payload_shape or shape, json_writer)
        self._has_output = shape is not None

    def write(self, document: Document, request_id: str) -> Response:
        headers = [(REQUEST_ID, request_id)]
        for member in self._headers:
            if document.get(member.name) is not None:
                headers.append((member.key, _header_text(member.shape, document[member.name])))
        for member in self._prefixes:
            headers += [(member.key + key, _safe(str(value))) for key, value in (document.get(member.name) or {}).items()]
        content_type, body = self._body(document)
        if not any(key.lower() == "content-type" for key, _ in headers):
            headers.append(("Content-Type", content_type))
        return Response(document.get(self._status_member, self._status) if self._status_member else self._status, headers, body)

    def _body(self, document: Document) -> tuple[str, bytes]:
        if self._payload_shape is None:
            if not self._has_output:
                return "application/json", b""
            rest = {name: value for name, value in document.items() if name not in self._elsewhere}
            return "application/json", orjson.dumps(self._convert(rest) if self._convert else rest)
        value = document.get(str(self._payload))
        if self._payload_shape.serialization.get("eventstream"):
            return eventstream.CONTENT_TYPE, b"".join(eventstream.event(item) for item in value or ())
        if self._payload_shape.type_name == "blob":
            return "application/octet-stream", value or b""
        if self._payload_shape.type_name == "string":
            return "text/plain", (value or "").encode()
        return "application/json", orjson.dumps(self._convert(value) if self._convert else value)


def query_fields(query: str) -> list[tuple[str, str]]:
    """The decoded fields of a query string or form; raises a SerializationException for too many or invalid UTF-8."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_QUERY_FIELDS)
    except ValueError:
        raise malformed("The query string or form cannot be read") from None


def _members(shape: StructureShape | None, location: str, lower: bool = False) -> list[_Member]:
    if shape is None:
        return []
    found = []
    for name, member in shape.members.items():
        if member.serialization.get("location") == location:
            key = member.serialization.get("name", "" if location == "headers" else name)
            found.append(_Member(name, key.lower() if lower else key, member))
    return found


def _header(shape: Shape, value: str) -> Any:
    if shape.type_name == "list":
        return [text_reader(shape.member)(item.strip()) for item in value.split(",")]
    return text_reader(shape)(value)


def _header_text(shape: Shape, value: Any) -> str:
    if shape.type_name == "list":
        return ",".join(_header_text(shape.member, item) for item in value)
    return _safe(text_writer(shape, "rfc822")(value))


def _safe(text: str) -> str:
    """Without line ends and other control characters: a header's value may come from a user's container."""
    return _UNSAFE_IN_HEADER.sub(" ", text)


def _below_prefix(prefix: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {key[len(prefix) :]: value for key, value in headers.items() if key.startswith(prefix)}


def _unquoted(label: str) -> str:
    try:
        return unquote(label, errors="strict") if "%" in label else label
    except UnicodeDecodeError:
        raise malformed("The path is not valid UTF-8") from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise malformed("The request body is not valid UTF-8") from None
