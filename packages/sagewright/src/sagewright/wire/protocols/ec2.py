"""EC2's own form of the query protocol: lists never have a wrapper, names begin with a capital, and errors lie one level deeper.

``InstanceType.1=g5.xlarge`` is a path into the input shape, as in ``query``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.wire.documents import Document, malformed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import OperationModel, Shape, StructureShape
from sagewright.wire.protocols import xml
from sagewright.wire.protocols.query import Tree, fields, in_order, response, tree
from sagewright.wire.protocols.text import text_reader


class Ec2Codec:
    """One operation in EC2's protocol."""

    def __init__(self, model: OperationModel) -> None:
        self._model = model

    def parse(self, request: Request, labels: Mapping[str, str]) -> Document:
        root = tree(fields(request))
        return {} if self._model.input_shape is None else _structure(self._model.input_shape, root)

    def answer(self, document: Document, request_id: str) -> Response:
        return response(200, xml.ec2_answer(self._model, document, request_id), request_id)

    def fault(self, fault: Fault, request_id: str) -> Response:
        return fault_response(fault, request_id)


def fault_response(fault: Fault, request_id: str) -> Response:
    """A fault in XML. EC2's model has no error shapes: a fault's code goes out as it is."""
    return response(fault.status, xml.ec2_error(fault.code, fault.message, request_id), request_id)


def _value(shape: Shape, node: Tree) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node)
    if shape.type_name == "list":
        return [_value(shape.member, child) for child in in_order(node)]
    if set(node) != {""}:
        raise malformed("Start of structure or map found where not expected.")
    return text_reader(shape)(node[""])


def _structure(shape: StructureShape, node: Tree) -> Document:
    names = {_sent(name, member): name for name, member in shape.members.items()}
    document = {}
    for step, child in node.items():
        if step == "":
            continue
        name = names.get(step, step)
        document[name] = _value(shape.members[name], child) if step in names else child  # validation names the unknown member
    return document


def _sent(name: str, member: Shape) -> str:
    """What a member is called in a request: its queryName, else its locationName with a capital."""
    said = member.serialization
    located = said.get("name", name)
    return str(said.get("queryName") or located[:1].upper() + located[1:])
