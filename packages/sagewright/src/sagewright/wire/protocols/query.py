"""The query protocol of the older services (sts, iam, cloudwatch): a form in, XML out.

``Tags.member.1.Key=a`` is a path into the input shape. Indices only order a list, so that a huge one costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.wire.documents import MAX_DEPTH, Document, malformed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from sagewright.wire.protocols import xml
from sagewright.wire.protocols.codec import REQUEST_ID, error_form
from sagewright.wire.protocols.rest_json import query_fields
from sagewright.wire.protocols.text import text_reader

FORM = "application/x-www-form-urlencoded"
_CONTENT_TYPE = "text/xml"
_ABOUT_THE_CALL = frozenset(
    {"Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SecurityToken"}
)

Tree = dict[str, Any]
"""Fields by the steps of their names; a node's own value stands under the empty step."""


class QueryCodec:
    """One operation in the query protocol."""

    def __init__(self, model: OperationModel) -> None:
        self._model = model

    def parse(self, request: Request, labels: Mapping[str, str]) -> Document:
        root = tree(fields(request))
        return {} if self._model.input_shape is None else _structure(self._model.input_shape, root)

    def answer(self, document: Document, request_id: str) -> Response:
        return response(200, xml.answer(self._model, document, request_id), request_id)

    def fault(self, fault: Fault, request_id: str) -> Response:
        return fault_response(fault, request_id, self._model)


def fault_response(fault: Fault, request_id: str, model: OperationModel | None = None) -> Response:
    """A fault in XML; ``model`` is None when no operation could be found."""
    form = error_form(fault, model)
    namespace = model.service_model.metadata.get("xmlNamespace", "") if model is not None else ""
    return response(form.status, xml.error(form.query_code, fault.message, form.status, request_id, namespace), request_id)


def fields(request: Request) -> dict[str, str]:
    """The form's fields, and those of the query string. Raises a SerializationException."""
    found = dict(query_fields(request.query)) if request.query else {}
    if request.body and request.headers.get("content-type", "").startswith(FORM):
        try:
            found |= query_fields(request.body.decode("ascii"))
        except UnicodeDecodeError:
            raise malformed("The form is not ASCII") from None
    return found


def response(status: int, body: bytes, request_id: str) -> Response:
    """An answer in XML."""
    return Response(status, [("Content-Type", _CONTENT_TYPE), (REQUEST_ID, request_id)], body)


def tree(found: dict[str, str]) -> Tree:
    """The form's fields by the steps of their names, without those about the call. Raises a SerializationException."""
    root: Tree = {}
    for key, value in found.items():
        if key in _ABOUT_THE_CALL or key[:6].lower() == "x-amz-":
            continue
        steps = key.split(".")
        if len(steps) > 3 * MAX_DEPTH:
            raise malformed(f"Nesting is deeper than {MAX_DEPTH} levels")
        node = root
        for step in steps:
            node = node.setdefault(step, {})
        node[""] = value
    return root


def _value(shape: Shape, node: Tree) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node)
    if shape.type_name == "list":
        return _list(shape, node)
    if shape.type_name == "map":
        return _map(shape, node)
    if set(node) != {""}:
        raise malformed("Start of structure or map found where not expected.")
    return text_reader(shape)(node[""])


def _structure(shape: StructureShape, node: Tree) -> Document:
    names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    document = {}
    for step, child in node.items():
        if step == "":
            continue
        name = names.get(step, step)
        document[name] = _value(shape.members[name], child) if step in names else child  # validation names the unknown member
    return document


def _list(shape: ListShape, node: Tree) -> list[Any]:
    if not shape.serialization.get("flattened"):
        node = _wrapped(node, shape.member.serialization.get("name", "member"))
    return [_value(shape.member, child) for child in in_order(node)]


def _map(shape: MapShape, node: Tree) -> Document:
    if not shape.serialization.get("flattened"):
        node = _wrapped(node, "entry")
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    document = {}
    for entry in in_order(node):
        if key_name not in entry or value_name not in entry:
            raise malformed("A map entry needs a key and a value")
        document[_value(shape.key, entry[key_name])] = _value(shape.value, entry[value_name])
    return document


def _wrapped(node: Tree, wrapper: str) -> Tree:
    """What is below ``member`` or ``entry``; an empty list is sent as an empty value of its own name."""
    if set(node) - {"", wrapper} or node.get(""):
        raise malformed("Expected list or null")
    return node.get(wrapper) or {}


def in_order(node: Tree) -> list[Tree]:
    """A list's elements by their indices. Raises a SerializationException."""
    numbers = [step for step in node if step]
    if not all(step.isascii() and step.isdigit() and len(step) < 10 for step in numbers) or node.get(""):
        raise malformed("Expected list or null")
    return [node[step] for step in sorted(numbers, key=int)]
