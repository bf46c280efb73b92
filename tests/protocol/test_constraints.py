"""Every rule of every request shape is checked: a request that breaks it is refused, and the message names the rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from protocol.samples import mistyped_value, sample, wrong_values

from sagewright.wire.errors import Fault
from sagewright.wire.model import SERVED, Shape, StructureShape, service_model
from sagewright.wire.validate import Validators


def structures(service: str) -> list[StructureShape]:
    """All structures that can be part of a request."""
    model = service_model(service)
    found: dict[str, StructureShape] = {}
    queue: list[Shape] = [model.operation_model(name).input_shape for name in model.operation_names]
    while queue:
        shape = queue.pop()
        if shape is None or shape.name in found:
            continue
        if shape.type_name == "structure":
            found[shape.name] = shape
            queue.extend(shape.members.values())
        elif shape.type_name == "list":
            queue.append(shape.member)
        elif shape.type_name == "map":
            queue.extend((shape.key, shape.value))
    return list(found.values())


def with_member(shape: StructureShape, name: str, value: Any) -> dict[str, Any]:
    return {name: value} if shape.metadata.get("union") else {**sample(shape), name: value}


def broken(shape: StructureShape) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Documents that break one rule: code of the fault, part of its message, document."""
    for name in shape.required_members:
        document = sample(shape)
        del document[name]
        yield "ValidationException", "Member must not be null", document
        yield "ValidationException", "Member must not be null", {**sample(shape), name: None}
    for name, member in shape.members.items():
        yield "SerializationException", "", with_member(shape, name, mistyped_value(member))
        for message, value in wrong_values(member):
            yield "ValidationException", message, with_member(shape, name, value)
        if member.type_name == "list":
            yield "ValidationException", "Member must not be null", with_member(shape, name, [None])
            for message, value in wrong_values(member.member):
                yield "ValidationException", message, with_member(shape, name, [value])
        if member.type_name == "map":
            for message, value in wrong_values(member.value):
                yield "ValidationException", message, with_member(shape, name, {sample(member.key): value})
            for message, value in wrong_values(member.key):
                yield "ValidationException", message, with_member(shape, name, {value: sample(member.value)})
    yield "ValidationException", "Unknown parameter 'NoSuchMember'", with_member(shape, "NoSuchMember", 1)


@pytest.mark.parametrize("service", [entry.name for entry in SERVED])
def test_every_broken_rule_is_refused_by_name(service: str) -> None:
    validators = Validators()
    count = 0
    for shape in structures(service):
        validate = validators.validator(shape)
        for code, message, document in broken(shape):
            count += 1
            with pytest.raises(Fault) as refused:
                validate(document)
            assert refused.value.code == code, (shape.name, document, refused.value)
            assert message in refused.value.message, (shape.name, document)
            assert refused.value.status == 400
    assert count > (10_000 if service == "sagemaker" else 5)
