"""Smithy RPC v2 CBOR: ``POST /service/<target prefix>/operation/<name>`` with a CBOR map either way (cloudwatch in newer SDKs).

Of CBOR's tags only 1, an epoch timestamp, is part of the protocol. Every other one is refused: shared references alone would let a
short body stand for an endless document.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import cbor2

from sagewright.wire.documents import MAX_DEPTH, Conversion, Document, conversion, epoch, malformed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import OperationModel, Shape
from sagewright.wire.protocols.codec import REQUEST_ID, error_body, error_form

_HEADERS = [("smithy-protocol", "rpc-v2-cbor"), ("Content-Type", "application/cbor")]
_EPOCH_TAG = 1
_INTERPRETED_TAGS = (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""What cbor2 would turn into objects of its own; overridden one by one, because it asks its tag hook only for tags it does not know."""


class CborCodec:
    """One operation in RPC v2 CBOR."""

    def __init__(self, model: OperationModel) -> None:
        self._model = model
        self._read = conversion(model.input_shape, _reader)
        self._write = conversion(model.output_shape, _writer)

    def parse(self, request: Request, labels: Mapping[str, str]) -> Document:
        document = _decode(request.body)
        return self._read(document) if self._read else document

    def answer(self, document: Document, request_id: str) -> Response:
        body = cbor2.dumps(self._write(document) if self._write else document)
        return Response(200, [*_HEADERS, (REQUEST_ID, request_id)], body)

    def fault(self, fault: Fault, request_id: str) -> Response:
        return fault_response(fault, request_id, self._model)


def fault_response(fault: Fault, request_id: str, model: OperationModel | None = None) -> Response:
    """A fault in CBOR; ``model`` is None when no operation could be found."""
    form = error_form(fault, model)
    headers = [*_HEADERS, (REQUEST_ID, request_id)]
    if model is not None and "awsQueryCompatible" in model.service_model.metadata:
        headers.append(("x-amzn-query-error", f"{form.query_code};{'Sender' if form.status < 500 else 'Receiver'}"))
    return Response(form.status, headers, cbor2.dumps(error_body(fault, form)))


def _decode(body: bytes) -> Document:
    if not body:
        return {}
    stream = io.BytesIO(body)
    decoder = cbor2.CBORDecoder(
        stream,
        tag_hook=_refuse_tag,
        semantic_decoders=_TAGS,
        max_depth=MAX_DEPTH,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
    )
    try:
        document = decoder.decode()
    except cbor2.CBORDecodeError:
        raise malformed("The request body is not valid CBOR") from None
    if type(document) is not dict or stream.read(1):
        raise malformed("Unexpected field type")
    return document


class _Moment(float):
    """A number that carried the timestamp tag."""


def _moment(value: Any, immutable: bool) -> _Moment:
    return _Moment(epoch(value))


def _refuse_tag(value: Any, immutable: bool) -> None:
    raise ValueError("tag not allowed")


_TAGS: dict[int, Any] = {**dict.fromkeys(_INTERPRETED_TAGS, _refuse_tag), _EPOCH_TAG: _moment}


def _reader(shape: Shape) -> Conversion | None:
    if shape.type_name == "timestamp":
        return _read_timestamp
    return _read_blob if shape.type_name == "blob" else None


def _read_timestamp(value: Any) -> Any:
    return epoch(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _read_blob(value: Any) -> Any:
    if type(value) is not bytes:
        raise malformed("Expected a byte string")
    return base64.b64encode(value).decode()


def _writer(shape: Shape) -> Conversion | None:
    if shape.type_name == "timestamp":
        return lambda seconds: cbor2.CBORTag(_EPOCH_TAG, seconds)
    return base64.b64decode if shape.type_name == "blob" else None
