"""What every protocol does, and what they share: how a fault maps onto the modelled error shape."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

from sagewright.wire.documents import Document
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import OperationModel, ServiceModel, Shape

REQUEST_ID = "x-amzn-requestid"


class Codec(Protocol):
    """One operation in one protocol."""

    def parse(self, request: Request, labels: Mapping[str, str]) -> Document:
        """The request as a document, not yet validated; ``labels`` are the still encoded parts of the path. Raises a Fault."""

    def answer(self, document: Document, request_id: str) -> Response:
        """The answer to a request that succeeded."""

    def fault(self, fault: Fault, request_id: str) -> Response:
        """The answer to a request that failed."""


class ErrorForm(NamedTuple):
    """How a fault goes out: the error shape's name, its code in the query protocol, and the HTTP status."""

    name: str
    query_code: str
    status: int
    message_member: str = "message"


def error_form(fault: Fault, operation: OperationModel | None) -> ErrorForm:
    """A fault's code may be an error shape's name or its query code. The model's status applies where the fault says just 400."""
    shape = _error_shapes(operation.service_model).get(fault.code) if operation is not None else None
    if shape is None:
        return ErrorForm(fault.code, fault.code, fault.status)
    error = shape.metadata.get("error") or {}
    status = error.get("httpStatusCode", 400) if fault.status == 400 else fault.status
    message_member = "Message" if "Message" in shape.members else "message"
    return ErrorForm(shape.name, error.get("code", shape.name), status, message_member)


def error_body(fault: Fault, form: ErrorForm) -> dict[str, Any]:
    """``{"__type": .., "message": .., <members of the error shape>}``"""
    return {"__type": form.name, form.message_member: fault.message, **fault.fields}


@cache
def _error_shapes(service: ServiceModel) -> dict[str, Shape]:
    shapes = list(service.error_shapes)
    by_code = {(shape.metadata.get("error") or {}).get("code", shape.name): shape for shape in shapes}
    return by_code | {shape.name: shape for shape in shapes}
