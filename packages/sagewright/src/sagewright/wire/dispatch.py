"""Which operation of which service a request calls, and in which protocol it talks."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from sagewright.wire.documents import Document, malformed
from sagewright.wire.errors import Fault
from sagewright.wire.family import Family, family_of
from sagewright.wire.http import Request, Response
from sagewright.wire.model import OperationModel, operation_model, service_model, services_signing_as
from sagewright.wire.protocols import ec2, json, query, rest_json, rpc_cbor, xml
from sagewright.wire.protocols.codec import REQUEST_ID, Codec
from sagewright.wire.validate import Validators

LARGEST_INFLATED = 64 * 1024 * 1024
"""Bytes a compressed body may grow to: a small body must not stand for all our memory."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that a request named. ``service`` and ``name`` are botocore's (``sagemaker``, ``CreateModel``)."""

    service: str
    name: str
    model: OperationModel
    codec: Codec
    labels: Mapping[str, str]

    def parse(self, request: Request) -> Document:
        """The request's document, checked against the whole input shape; raises a Fault."""
        encoding = request.headers.get("content-encoding")
        if encoding is not None and self.model.request_compression:
            request = _inflated(request, encoding)
        document = self.codec.parse(request, self.labels)
        try:
            _validator(self.service, self.name)(document)
        except Fault as fault:
            raise _as_modelled(fault, self.service) from None
        return document

    def answer(self, document: Document, request_id: str) -> Response:
        """The answer that succeeded."""
        return self.codec.answer(document, request_id)

    def fault(self, fault: Fault, request_id: str) -> Response:
        """The answer that failed."""
        return self.codec.fault(fault, request_id)


def resolve(signing_name: str, request: Request) -> Call:
    """The call a request makes, given the service name of its credential scope. Reads no body but a form's.

    Raises UnknownOperationException (InvalidAction or MissingAction in the query protocol).
    """
    family = family_of(request, signing_name)
    if family is Family.JSON:
        return _by_target(signing_name, request)
    if family is Family.CBOR:
        return _by_cbor_path(signing_name, request)
    if family in (Family.QUERY, Family.EC2):
        return _by_action(signing_name, request)
    return _by_path(signing_name, request)


def fault_response(request: Request, fault: Fault, request_id: str, signing_name: str = "") -> Response:
    """A fault for a request that no call could be resolved for, in the protocol the request seems to talk."""
    family = family_of(request, signing_name)
    if family is Family.S3:
        body = xml.s3_error(fault.code, fault.message, request.path, request_id)
        headers = [("Content-Type", "application/xml"), (REQUEST_ID, request_id), ("x-amz-request-id", request_id)]
        return Response(fault.status, headers, b"" if request.method == "HEAD" else body)
    write = {
        Family.JSON: json.fault_response,
        Family.CBOR: rpc_cbor.fault_response,
        Family.QUERY: query.fault_response,
        Family.EC2: ec2.fault_response,
        Family.REST: rest_json.fault_response,
    }[family]
    return write(fault, request_id)


def call(service: str, name: str, protocol: str = "", labels: Mapping[str, str] | None = None) -> Call:
    """A call by name, for who knows what it calls; ``protocol`` as botocore names it, by default the model's own."""
    model = operation_model(service, name)
    return Call(service, name, model, _codec(service, name, protocol or _protocols(service)[0]), labels or {})


def validate(service: str, name: str, document: Document) -> None:
    """Checks a document that did not come over the wire; removes null members in place. Raises a Fault."""
    _validator(service, name)(document)


class Route(NamedTuple):
    """One REST operation; ``path`` has a group for each label."""

    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    service: str
    name: str


@cache
def routes(signing_name: str) -> tuple[Route, ...]:
    """The REST operations of a signing name, the most literal path first."""
    found = []
    for service in services_signing_as(signing_name):
        if service.target_prefix or "rest-json" not in _protocols(service.name):
            continue
        model = service_model(service.name)
        for name in model.operation_names:
            http = model.operation_model(name).http
            found.append((http["requestUri"].count("{"), _route(service.name, name, http["method"], http["requestUri"])))
    return tuple(route for _, route in sorted(found, key=lambda entry: entry[0]))


def _by_target(signing_name: str, request: Request) -> Call:
    prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
    for service in services_signing_as(signing_name) if request.method == "POST" else ():
        if service.target_prefix == prefix and prefix and _has(service.name, name):
            return call(service.name, name, "json")
    raise _unknown()


def _by_cbor_path(signing_name: str, request: Request) -> Call:
    path = re.fullmatch(r".*/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)", request.path)
    if path and request.method == "POST":
        prefix = path[1].rpartition(".")[2]
        for service in services_signing_as(signing_name):
            known = prefix in (service.target_prefix, service_model(service.name).metadata.get("serviceId"))
            if known and "smithy-rpc-v2-cbor" in _protocols(service.name) and _has(service.name, path[2]):
                return call(service.name, path[2], "smithy-rpc-v2-cbor")
    raise _unknown(404)


def _by_action(signing_name: str, request: Request) -> Call:
    fields = query.fields(request)
    if "Action" not in fields:
        raise Fault("MissingAction", "The request must contain the parameter Action.")
    for service in services_signing_as(signing_name):
        for protocol in ("query", "ec2"):
            if protocol in _protocols(service.name) and _has(service.name, fields["Action"]):
                return call(service.name, fields["Action"], protocol)
    raise Fault(
        "InvalidAction", f"Could not find operation {fields['Action'][:128]} for version {fields.get('Version', '')[:32]}"
    )


def _by_path(signing_name: str, request: Request) -> Call:
    for route in routes(signing_name):
        if route.method == request.method:
            match = route.path.fullmatch(request.path)
            if match:
                labels = dict(zip(route.labels, match.groups(), strict=True))
                return call(route.service, route.name, "rest-json", labels)
    raise _unknown(404)


def _unknown(status: int = 400) -> Fault:
    return Fault("UnknownOperationException", "The requested operation is not recognized by the service.", status)


def _route(service: str, name: str, method: str, template: str) -> Route:
    labels, pattern = [], ""
    for literal, label in re.findall(r"([^{]*)(?:\{([^}]+)\})?", template.partition("?")[0]):
        pattern += re.escape(literal)
        if label:
            labels.append(label.removesuffix("+"))
            pattern += "(.+)" if label.endswith("+") else "([^/]+)"
    return Route(method, re.compile(pattern), tuple(labels), service, name)


def _has(service: str, name: str) -> bool:
    return name in _operation_names(service)


@cache
def _operation_names(service: str) -> frozenset[str]:
    return frozenset(service_model(service).operation_names)


@cache
def _protocols(service: str) -> tuple[str, ...]:
    metadata = service_model(service).metadata
    return tuple(metadata.get("protocols") or (metadata["protocol"],))


@cache
def _codec(service: str, name: str, protocol: str) -> Codec:
    return _CODECS[protocol](operation_model(service, name))


def _as_modelled(fault: Fault, service: str) -> Fault:
    """The runtime service calls it ValidationError; EC2 has no error shapes, and calls it InvalidParameterValue."""
    if fault.code == "ValidationException" and "ec2" in _protocols(service):
        return Fault("InvalidParameterValue", fault.message, fault.status, fault.fields)
    names = {shape.name for shape in service_model(service).error_shapes}
    renamed = fault.code == "ValidationException" and fault.code not in names and "ValidationError" in names
    return Fault("ValidationError", fault.message, fault.status, fault.fields) if renamed else fault


@cache
def _validators(service: str) -> Validators:
    return Validators()


@cache
def _validator(service: str, name: str) -> Callable[[Document], None]:
    return _validators(service).validator(operation_model(service, name).input_shape)


def _inflated(request: Request, encoding: str) -> Request:
    """The request with its body unpacked (PutMetricData is compressed by SDKs above 10 KiB)."""
    if encoding.strip().lower() != "gzip":
        raise malformed("Unsupported content encoding")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(request.body, LARGEST_INFLATED)
    except zlib.error:
        raise malformed("The request body is not valid gzip") from None
    if not unpacker.eof:
        raise malformed("The request body is not valid gzip or too large")
    return Request(request.method, request.path, request.query, request.headers, body)


_CODECS: dict[str, Callable[[OperationModel], Codec]] = {
    "json": json.JsonCodec,
    "rest-json": rest_json.RestJsonCodec,
    "query": query.QueryCodec,
    "ec2": ec2.Ec2Codec,
    "smithy-rpc-v2-cbor": rpc_cbor.CborCodec,
}
