"""Every record kind through every verb by boto3, with the smallest request and with every member the model has.

Feature rows: A04 (boto3 unchanged), M02, M03, F04, F06. What a Create was sent must come back from Describe; every member that the
model requires of an answer must be there; what is deleted must be gone with the kind's own error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fidelity.drive import Drive, differences
from harness import Harness

from sagewright.kernel.derive import kinds
from sagewright.kernel.kind import Kind
from sagewright.kernel.quirks import EXTRA, QUIRKS, RECORDS
from sagewright.kernel.shapes import Model

KINDS = kinds(Model("sagemaker"), QUIRKS, EXTRA, RECORDS)
DRIVEN = [kind for kind in KINDS.values() if not kind.work and kind.create and kind.describe]

NOT_ECHOED = {
    "ModelPackage": {"ModelPackageGroupName"},  # by name or ARN, answered as name
    "HumanTaskUi": {"UiTemplate"},  # answered as a digest
    "Workforce": {"OidcConfig"},  # without its secret
}


@pytest.fixture(scope="module")
def drive() -> Iterator[Drive]:
    with Harness() as harness:
        yield Drive(harness)


@pytest.mark.parametrize("full", [False, True], ids=["smallest", "full"])
@pytest.mark.parametrize("kind", DRIVEN, ids=lambda kind: kind.name)
def test_lives_and_dies(drive: Drive, kind: Kind, full: bool) -> None:
    sent = drive.request(kind, str(kind.create), full)
    if kind.tagged:
        sent["Tags"] = [{"Key": "team", "Value": "x"}]
    answer = drive.call(str(kind.create), **sent)
    identity = drive.identity(kind, sent, answer)
    described = drive.call(str(kind.describe), **identity)
    document = described.get(kind.envelope, described)
    shown = {name: value for name, value in sent.items() if name in _members(drive, kind)} if not kind.envelope else {}
    skipped = {"Tags", *NOT_ECHOED.get(kind.name, ())}
    assert differences({name: value for name, value in shown.items() if name not in skipped}, document) == []
    assert _lacking(drive.model.operation_model(kind.describe).output_shape, described) == []
    _check_tags(drive, kind, document)
    _check_list(drive, kind, sent, identity, document)
    _check_update(drive, kind, identity)
    _check_delete(drive, kind, sent, identity, document)


def _members(drive: Drive, kind: Kind) -> Any:
    return drive.model.operation_model(kind.describe).output_shape.members


def _lacking(shape: Any, value: Any, path: str = "") -> list[str]:
    """Members the model requires of an answer that are not in it, at any depth."""
    if shape is None:
        return []
    if shape.type_name == "structure":
        missing = [f"{path}.{name}" for name in shape.required_members if name not in value]
        present = [name for name in shape.members if name in value]
        return missing + [line for name in present for line in _lacking(shape.members[name], value[name], f"{path}.{name}")]
    if shape.type_name == "list":
        return [line for item in value for line in _lacking(shape.member, item, f"{path}[]")]
    if shape.type_name == "map":
        return [line for item in value.values() for line in _lacking(shape.value, item, f"{path}{{}}")]
    return []


def _check_tags(drive: Drive, kind: Kind, document: dict[str, Any]) -> None:
    if not kind.tagged or not kind.arn:
        return
    arn = document[kind.arn]
    assert drive.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "x"}]
    assert {"Key": "b", "Value": "2"} in drive.call("AddTags", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])["Tags"]
    drive.call("DeleteTags", ResourceArn=arn, TagKeys=["team"])
    assert drive.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def _check_list(drive: Drive, kind: Kind, sent: dict[str, Any], identity: dict[str, Any], document: dict[str, Any]) -> None:
    if not kind.list:
        return
    shape = drive.model.operation_model(kind.list)
    request = {name: {**sent, **identity}[name] for name in shape.input_shape.required_members}
    if kind.name == "ModelPackage":
        request = {"ModelPackageGroupName": sent["ModelPackageGroupName"]}
    listed = drive.call(kind.list, **request)
    assert _lacking(shape.output_shape, listed) == []
    items = next(value for value in listed.values() if isinstance(value, list))
    member = next(name for name in items[0] if name.endswith("Arn") or name == "SpaceName" or name == "UserProfileName")
    aliases = {alias: path for alias, path in kind.aliases.items() if "." not in path}
    assert document[aliases.get(member, member)] in [item[member] for item in items]


def _check_update(drive: Drive, kind: Kind, identity: dict[str, Any]) -> None:
    if not kind.update:
        return
    shape = drive.model.operation_model(kind.update)
    known = {**identity, "ModelPackageArn": identity.get("ModelPackageName")}
    request = {**drive.request(kind, kind.update), **{n: v for n, v in known.items() if n in shape.input_shape.members}}
    assert _lacking(shape.output_shape, drive.call(kind.update, **request)) == []


def _check_delete(drive: Drive, kind: Kind, sent: dict[str, Any], identity: dict[str, Any], document: dict[str, Any]) -> None:
    if not kind.delete:
        return
    shape = drive.model.operation_model(kind.delete).input_shape
    known = {**sent, **identity, "Version": document.get("Version")}
    needed = {*shape.required_members, "Version", "ArtifactArn"}
    drive.call(kind.delete, **{name: known[name] for name in shape.members if name in needed and name in known})
    with pytest.raises(ClientError) as error:
        drive.call(str(kind.describe), **identity)
    assert error.value.response["Error"]["Code"] == kind.missing.code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
