"""Every operation of every served service, there and back, with botocore's own serializers and parsers on the other side."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from protocol.connection import HOST, received
from protocol.samples import client_value, sample

from sagewright.wire import dispatch
from sagewright.wire.http import Request
from sagewright.wire.model import SERVED, OperationModel, Shape, service_model

WAYS = [(entry, protocol) for entry in SERVED for protocol in service_model(entry.name).metadata["protocols"]]
"""A service and a protocol: cloudwatch talks three."""


@pytest.mark.parametrize("entry", SERVED, ids=lambda entry: entry.name)
def test_the_routing_table_says_what_the_models_say(entry: Any) -> None:
    metadata = service_model(entry.name).metadata
    assert entry.signing_name == metadata.get("signingName", metadata["endpointPrefix"])
    assert entry.target_prefix == metadata.get("targetPrefix", "")


def test_every_sagemaker_operation_is_there() -> None:
    """spec: 425 operations in the model of botocore 1.44.5; a newer model may have more."""
    assert len(service_model("sagemaker").operation_names) >= 425


@pytest.mark.parametrize("full", [False, True], ids=["required", "all"])
@pytest.mark.parametrize(("entry", "protocol"), WAYS, ids=lambda value: getattr(value, "name", value))
def test_a_request_of_every_operation_arrives_as_it_was_sent(entry: Any, protocol: str, full: bool) -> None:
    model = service_model(entry.name)
    for name in model.operation_names:
        operation = model.operation_model(name)
        document = sample(operation.input_shape, full) if operation.input_shape is not None else {}
        if protocol == "query" and any(value == {} for value in document.values()):
            continue  # a form cannot say that a structure is there but empty
        request = sent(operation, protocol, document)
        call = dispatch.resolve(entry.signing_name, request)
        assert (call.service, call.name) == (entry.name, name)
        assert call.parse(request) == document, name


@pytest.mark.parametrize("full", [False, True], ids=["required", "all"])
@pytest.mark.parametrize(("entry", "protocol"), WAYS, ids=lambda value: getattr(value, "name", value))
def test_an_answer_of_every_operation_arrives_as_it_was_given(entry: Any, protocol: str, full: bool) -> None:
    model = service_model(entry.name)
    for name in model.operation_names:
        operation = model.operation_model(name)
        shape = operation.output_shape
        if shape is None or operation.has_event_stream_output:
            continue
        document = sample(shape, full)
        response = dispatch.call(entry.name, name, protocol).answer(document, "request-1")
        seen = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}
        parsed = create_parser(protocol).parse(seen, shape)
        assert parsed.pop("ResponseMetadata")["RequestId"] == "request-1"
        if operation.has_streaming_output:
            parsed[shape.serialization["payload"]] = response.body  # a client reads it from the connection
        if "ContentType" not in document and "ContentType" in parsed:
            assert parsed.pop("ContentType") == "application/octet-stream"  # a raw payload always has a type
        assert parsed == without_status(shape, client_value(shape, document)), name


def sent(operation: OperationModel, protocol: str, document: dict[str, Any]) -> Request:
    parameters = client_value(operation.input_shape, document) if operation.input_shape is not None else {}
    serialized = create_serializer(protocol, include_validation=False).serialize_to_request(parameters, operation)
    prepare_request_dict(serialized, endpoint_url=f"http://{HOST}", context={})
    return received(create_request_object(serialized).prepare())


def without_status(shape: Shape, value: dict[str, Any]) -> dict[str, Any]:
    status = [name for name, member in shape.members.items() if member.serialization.get("location") == "statusCode"]
    return value | dict.fromkeys(status, 200)
