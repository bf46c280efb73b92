"""Kinds that stand for work: refused until a controller is there, and what the engine does for a controller then.

Feature rows A12, G01: processing, training and hosting are job families of their own, each with its own states and errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from fidelity.drive import Drive, differences
from fidelity.generate import Requests
from harness import Harness

from sagewright.kernel.derive import kinds
from sagewright.kernel.kind import Kind
from sagewright.kernel.quirks import EXTRA, QUIRKS, RECORDS
from sagewright.kernel.shapes import Model

WORK = [kind for kind in kinds(Model("sagemaker"), QUIRKS, EXTRA, RECORDS).values() if kind.work]
BY_HAND = {"ClusterExtension"}  # an ARN of parts that no request names
OTHER_SHAPES = {
    "Cluster",
    "EdgeDeploymentPlan",
    "InferenceComponent",
    "InferenceExperiment",
    "AIBenchmarkJob",
    "AIRecommendationJob",
}
"""Their answers describe what runs, in shapes that are not the request's."""


@pytest.fixture(scope="module")
def bare() -> Iterator[Any]:
    with Harness() as harness:
        yield harness.client("sagemaker")


@pytest.fixture(scope="module")
def controlled() -> Iterator[Drive]:
    """A controller for everything, though none ever looks: rows stay as they were made."""
    quirks = {kind.name: {"references": ()} for kind in WORK}
    with Harness(controllers={kind.name for kind in WORK}, quirks=quirks) as harness:
        yield Drive(harness)


@pytest.mark.parametrize("kind", WORK, ids=lambda kind: kind.name)
def test_refused_without_a_controller(bare: Any, kind: Kind) -> None:
    model = bare.meta.service_model

    def code(operation: str) -> str:
        with pytest.raises(ClientError) as error:
            getattr(bare, xform_name(operation))(**Requests().make(model.operation_model(operation).input_shape))
        return str(error.value.response["Error"]["Code"])

    assert code(str(kind.create)) == "UnsupportedOperationException"
    assert code(str(kind.describe)) == kind.missing.code
    if kind.update:
        assert code(kind.update) == "UnsupportedOperationException"
    if kind.delete:
        assert code(kind.delete) == kind.missing.code
    if kind.list and not model.operation_model(kind.list).input_shape.required_members:
        answer = getattr(bare, xform_name(kind.list))()
        assert [value for value in answer.values() if isinstance(value, list)] == [[]]


@pytest.mark.parametrize("full", [False, True], ids=["smallest", "full"])
@pytest.mark.parametrize("kind", [kind for kind in WORK if kind.name not in BY_HAND], ids=lambda kind: kind.name)
def test_kept_for_its_controller(controlled: Drive, kind: Kind, full: bool) -> None:
    if kind.name == "ModelCardExportJob":
        with suppress(ClientError):  # the other size of request has made it
            controlled.call("CreateModelCard", ModelCardName="abc", Content="{}", ModelCardStatus="Draft")
    sent = controlled.request(kind, str(kind.create), full)
    name = next((member for member in kind.identity if member in sent and member.endswith("Name")), None)
    if name and full and kind.name != "ModelCardExportJob":
        sent[name] = f"{sent[name]}-full"
    if kind.name == "AutoMLJobV2":  # shares its names with AutoMLJob
        sent["AutoMLJobName"] = f"v2-{full}"
    elif full and kind.name == "ModelCardExportJob":
        sent["ModelCardExportJobName"] = "full"
    if kind.tagged:
        sent["Tags"] = [{"Key": "team", "Value": "x"}]
    answer = controlled.call(str(kind.create), **sent)
    described = controlled.call(str(kind.describe), **controlled.identity(kind, sent, answer))
    document = described.get(kind.envelope, described)
    shown = controlled.model.operation_model(kind.describe).output_shape.members
    echoed = {member: value for member, value in sent.items() if member in shown and member != "Tags"}
    if kind.name not in OTHER_SHAPES:
        assert differences(echoed, document) == []
    if kind.status:
        assert document[kind.status] == kind.initial
    if kind.tagged and kind.arn in document:
        assert controlled.call("ListTags", ResourceArn=document[kind.arn])["Tags"] == [{"Key": "team", "Value": "x"}]
    if kind.list and not controlled.model.operation_model(kind.list).input_shape.required_members:
        listed = controlled.call(kind.list, MaxResults=100)
        assert next(value for value in listed.values() if isinstance(value, list))
