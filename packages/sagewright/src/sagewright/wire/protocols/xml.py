"""Answers of the query protocol: the XML that AWS's older services speak."""

from __future__ import annotations

import re
from typing import Any

from sagewright.wire.documents import Document
from sagewright.wire.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from sagewright.wire.protocols.text import text_writer

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def answer(model: OperationModel, document: Document, request_id: str) -> bytes:
    """``<XResponse><XResult>..</XResult><ResponseMetadata>..</ResponseMetadata></XResponse>``"""
    result = ""
    if model.output_shape is not None:
        content = _members(model.output_shape, document)
        wrapper = model.output_shape.serialization.get("resultWrapper")
        result = _element(wrapper, content) if wrapper else content
    metadata = _element("ResponseMetadata", _element("RequestId", escape(request_id)))
    return _document(f"{model.name}Response", model.service_model.metadata.get("xmlNamespace", ""), result + metadata)


def error(code: str, message: str, status: int, request_id: str, namespace: str = "") -> bytes:
    """``<ErrorResponse><Error><Type>Sender</Type><Code/><Message/></Error><RequestId/></ErrorResponse>``"""
    sender = "Sender" if status < 500 else "Receiver"
    content = _element("Type", sender) + _element("Code", escape(code)) + _element("Message", escape(message))
    return _document("ErrorResponse", namespace, _element("Error", content) + _element("RequestId", escape(request_id)))


def ec2_answer(model: OperationModel, document: Document, request_id: str) -> bytes:
    """EC2's form: ``<XResponse><requestId/>..</XResponse>``"""
    members = _members(model.output_shape, document) if model.output_shape is not None else ""
    namespace = model.service_model.metadata.get("xmlNamespace", "")
    return _document(f"{model.name}Response", namespace, _element("requestId", escape(request_id)) + members)


def ec2_error(code: str, message: str, request_id: str) -> bytes:
    """``<Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>``"""
    content = _element("Error", _element("Code", escape(code)) + _element("Message", escape(message)))
    return _document("Response", "", _element("Errors", content) + _element("RequestID", escape(request_id)))


def s3_error(code: str, message: str, resource: str, request_id: str) -> bytes:
    """S3's own form: one ``<Error>`` without a wrapper or a namespace."""
    parts = {"Code": code, "Message": message, "Resource": resource, "RequestId": request_id}
    content = "".join(_element(name, escape(text)) for name, text in parts.items())
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + _element("Error", content).encode()


def escape(text: str) -> str:
    """Text as element content; what XML 1.0 cannot hold becomes U+FFFD."""
    text = _NOT_IN_XML.sub("\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _document(root: str, namespace: str, content: str) -> bytes:
    opening = f'<{root} xmlns="{namespace}">' if namespace else f"<{root}>"
    return f"{opening}{content}</{root}>".encode()


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def _members(shape: StructureShape, document: Document) -> str:
    return "".join(
        _named(member.serialization.get("name", name), member, document[name])
        for name, member in shape.members.items()
        if document.get(name) is not None
    )


def _named(name: str, shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        return _element(name, _members(shape, value))
    if shape.type_name == "list":
        return _list(name, shape, value)
    if shape.type_name == "map":
        return _map(name, shape, value)
    return _element(name, escape(text_writer(shape, "iso8601")(value)))


def _list(name: str, shape: ListShape, value: list[Any]) -> str:
    member_name = shape.member.serialization.get("name", "member")
    if shape.serialization.get("flattened"):
        return "".join(_named(shape.member.serialization.get("name", name), shape.member, item) for item in value)
    return _element(name, "".join(_named(member_name, shape.member, item) for item in value))


def _map(name: str, shape: MapShape, value: Document) -> str:
    flattened = shape.serialization.get("flattened")
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    entries = [
        _element(name if flattened else "entry", _named(key_name, shape.key, key) + _named(value_name, shape.value, item))
        for key, item in value.items()
    ]
    return "".join(entries) if flattened else _element(name, "".join(entries))
