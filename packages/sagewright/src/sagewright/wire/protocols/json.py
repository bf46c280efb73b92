"""awsJson 1.0 and 1.1: POST /, the operation in X-Amz-Target, a JSON object either way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sagewright.wire.documents import Conversion, Document, conversion, epoch, epoch_of_text, http_date, iso8601, malformed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import OperationModel, Shape
from sagewright.wire.protocols.codec import REQUEST_ID, error_body, error_form


class JsonCodec:
    """One operation in awsJson."""

    def __init__(self, model: OperationModel) -> None:
        self._model = model
        self._content_type = f"application/x-amz-json-{model.service_model.metadata.get('jsonVersion', '1.1')}"
        self._read = conversion(model.input_shape, json_reader)
        self._write = conversion(model.output_shape, json_writer)

    def parse(self, request: Request, labels: Mapping[str, str]) -> Document:
        return read_object(request.body, self._read)

    def answer(self, document: Document, request_id: str) -> Response:
        body = b"" if self._model.output_shape is None else orjson.dumps(self._write(document) if self._write else document)
        return Response(200, [("Content-Type", self._content_type), (REQUEST_ID, request_id)], body)

    def fault(self, fault: Fault, request_id: str) -> Response:
        return fault_response(fault, request_id, self._model, self._content_type)


def fault_response(
    fault: Fault, request_id: str, model: OperationModel | None = None, content_type: str = "application/x-amz-json-1.1"
) -> Response:
    """A fault in awsJson; ``model`` is None when no operation could be found."""
    form = error_form(fault, model)
    headers = [("Content-Type", content_type), (REQUEST_ID, request_id)]
    if model is not None and "awsQueryCompatible" in model.service_model.metadata:
        headers.append(("x-amzn-query-error", f"{form.query_code};{'Sender' if form.status < 500 else 'Receiver'}"))
    return Response(form.status, headers, orjson.dumps(error_body(fault, form)))


def read_object(body: bytes, convert: Conversion | None) -> Document:
    """A JSON object; nothing at all is an empty one. Raises a SerializationException for everything else."""
    if not body:
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise malformed("The request body is not valid JSON") from None
    if type(document) is not dict:
        raise malformed("Unexpected field type")
    return convert(document) if convert else document


def json_reader(shape: Shape) -> Conversion | None:
    """Timestamps come as epoch seconds, or as text where the shape says so; documents hold a float."""
    if shape.type_name != "timestamp":
        return None
    return _read_any_timestamp if shape.serialization.get("timestampFormat") else _read_timestamp


def json_writer(shape: Shape) -> Conversion | None:
    """A timestamp goes out as epoch seconds unless its shape names another form."""
    if shape.type_name != "timestamp":
        return None
    return {"iso8601": iso8601, "rfc822": http_date}.get(shape.serialization.get("timestampFormat", ""))


def _read_timestamp(value: Any) -> Any:
    return epoch(value) if type(value) in (int, float) else value


def _read_any_timestamp(value: Any) -> Any:
    return epoch_of_text(value) if type(value) is str else _read_timestamp(value)
