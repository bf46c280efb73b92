"""Repositories of ECR through boto3 (ECR API reference): rows, tags, policies, paging, passwords. Feature rows A10, G12.

What is pushed, and what becomes of it, is in tests/e2e/test_own_images.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import WORLD, Harness, Parts

from sagewright.base.clock import VirtualClock
from sagewright.base.world import World
from sagewright.compute.oci.layout import Layout
from sagewright.neighbours.ecr.operations import Ecr
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault

ADDRESS = "127.0.0.1:8400"


class Setup:
    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.keyring = Keyring.open(folder / "credentials.json")
        self.layout = Layout(folder / "registry")
        self.harness = Harness(self.clock, install=self._install)

    def _install(self, parts: Parts) -> None:
        for name, handler in Ecr(parts.store, self.keyring, self.layout, f"http://{ADDRESS}").operations().items():
            parts.operations.write("ecr", name, handler)

    def push(self, name: str, digest: str, *tags: str) -> None:
        """As the registry writes it down."""
        below = self.layout.root / "docker/registry/v2"
        manifests = below / "repositories" / WORLD.account / WORLD.region / name / "_manifests"
        links = [f"revisions/sha256/{digest[7:]}/link", *(f"tags/{tag}/current/link" for tag in tags)]
        for link in links:
            (manifests / link).parent.mkdir(parents=True, exist_ok=True)
            (manifests / link).write_text(digest)
        self.layout.blob(digest).parent.mkdir(parents=True, exist_ok=True)
        self.layout.blob(digest).write_text(json.dumps({"schemaVersion": 2, "layers": [{"size": 40}], "config": {"size": 2}}))


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    made = Setup(tmp_path_factory.mktemp("ecr"))
    with made.harness:
        yield made


@pytest.fixture
def ecr(setup: Setup) -> Any:
    setup.harness.run(setup.harness.parts.store.empty())
    return setup.harness.client("ecr")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_repository_comes_and_goes(ecr: Any) -> None:
    made = ecr.create_repository(repositoryName="team/algo", tags=[{"Key": "a", "Value": "b"}])["repository"]
    assert made["repositoryArn"] == "arn:aws:ecr:us-east-1:123456789012:repository/team/algo"
    assert made["repositoryUri"] == f"{ADDRESS}/team/algo"
    assert (made["registryId"], made["imageTagMutability"]) == (WORLD.account, "MUTABLE")
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    with pytest.raises(ClientError, match="'team/algo' already exists in the registry with id '123456789012'") as taken:
        ecr.create_repository(repositoryName="team/algo")
    assert code(taken) == "RepositoryAlreadyExistsException"
    assert ecr.describe_repositories(repositoryNames=["team/algo"])["repositories"] == [made]
    assert ecr.delete_repository(repositoryName="team/algo")["repository"]["repositoryName"] == "team/algo"
    with pytest.raises(ClientError, match="'team/algo' does not exist in the registry with id '123456789012'") as gone:
        ecr.describe_repositories(repositoryNames=["team/algo"])
    assert code(gone) == "RepositoryNotFoundException"


@pytest.mark.parametrize("name", ["Upper", "-a", "a//b", "../a", "a/../b", "a/"])
def test_names_that_are_none(ecr: Any, name: str) -> None:
    with pytest.raises(ClientError) as refused:
        ecr.create_repository(repositoryName=name)
    assert code(refused) in ("InvalidParameterException", "ValidationException")


def test_pages(ecr: Any) -> None:
    for number in range(5):
        ecr.create_repository(repositoryName=f"algo-{number}")
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    names = [[row["repositoryName"] for row in page["repositories"]] for page in pages]
    assert names == [["algo-0", "algo-1"], ["algo-2", "algo-3"], ["algo-4"]]
    with pytest.raises(ClientError) as refused:
        ecr.describe_repositories(nextToken="made up")
    assert code(refused) == "InvalidParameterException"


def test_tags(ecr: Any) -> None:
    arn = ecr.create_repository(repositoryName="algo", tags=[{"Key": "a", "Value": "1"}])["repository"]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "b", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "b", "Value": "2"}]
    ecr.delete_repository(repositoryName="algo")
    ecr.create_repository(repositoryName="algo")
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == []
    with pytest.raises(ClientError):
        ecr.tag_resource(resourceArn=f"{arn}-none", tags=[{"Key": "b", "Value": "2"}])
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    with pytest.raises(ClientError) as refused:
        ecr.tag_resource(resourceArn=arn, tags=many)
    assert code(refused) == "TooManyTagsException"


@pytest.mark.parametrize(
    ("put", "get", "delete", "member", "missing"),
    [
        (
            "set_repository_policy",
            "get_repository_policy",
            "delete_repository_policy",
            "policyText",
            "RepositoryPolicyNotFoundException",
        ),
        (
            "put_lifecycle_policy",
            "get_lifecycle_policy",
            "delete_lifecycle_policy",
            "lifecyclePolicyText",
            "LifecyclePolicyNotFoundException",
        ),
    ],
)
def test_policies_are_kept(ecr: Any, put: str, get: str, delete: str, member: str, missing: str) -> None:
    ecr.create_repository(repositoryName="algo")
    text = json.dumps({"Version": "2012-10-17", "Statement": [], "rules": [], "padding": "x" * 100})
    for operation in (get, delete):
        with pytest.raises(ClientError) as absent:
            getattr(ecr, operation)(repositoryName="algo")
        assert code(absent) == missing
    assert getattr(ecr, put)(repositoryName="algo", **{member: text})[member] == text
    assert getattr(ecr, get)(repositoryName="algo")[member] == text
    assert getattr(ecr, delete)(repositoryName="algo")[member] == text
    with pytest.raises(ClientError):
        getattr(ecr, get)(repositoryName="algo")
    with pytest.raises(ClientError, match="Invalid JSON"):
        getattr(ecr, put)(repositoryName="algo", **{member: "no json" * 20})


def test_mutability_and_scanning_are_kept(ecr: Any) -> None:
    ecr.create_repository(repositoryName="algo")
    answer = ecr.put_image_tag_mutability(repositoryName="algo", imageTagMutability="IMMUTABLE")
    assert (answer["registryId"], answer["repositoryName"], answer["imageTagMutability"]) == (
        WORLD.account,
        "algo",
        "IMMUTABLE",
    )
    ecr.put_image_scanning_configuration(repositoryName="algo", imageScanningConfiguration={"scanOnPush": True})
    (row,) = ecr.describe_repositories()["repositories"]
    assert (row["imageTagMutability"], row["imageScanningConfiguration"]) == ("IMMUTABLE", {"scanOnPush": True})
    with pytest.raises(ClientError, match="exclusions"):
        ecr.put_image_tag_mutability(repositoryName="algo", imageTagMutability="MUTABLE_WITH_EXCLUSION")
    with pytest.raises(ClientError, match="does not encrypt images by key"):
        ecr.create_repository(repositoryName="keyed", encryptionConfiguration={"encryptionType": "KMS"})


def test_images_with_and_without_tags(setup: Setup, ecr: Any) -> None:
    first, second = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
    ecr.create_repository(repositoryName="algo")
    setup.push("algo", first)
    setup.push("algo", second, "v1", "v2")
    by_tag = [{"imageDigest": second, "imageTag": tag} for tag in ("v1", "v2")]
    assert ecr.list_images(repositoryName="algo")["imageIds"] == [{"imageDigest": first}, *by_tag]
    assert ecr.list_images(repositoryName="algo", filter={"tagStatus": "UNTAGGED"})["imageIds"] == [{"imageDigest": first}]
    assert ecr.list_images(repositoryName="algo", filter={"tagStatus": "TAGGED"})["imageIds"] == by_tag
    (detail,) = ecr.describe_images(repositoryName="algo", imageIds=[{"imageTag": "v1"}])["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"], detail["imageSizeInBytes"]) == (second, ["v1", "v2"], 42)
    assert len(ecr.describe_images(repositoryName="algo")["imageDetails"]) == 2
    (image,) = ecr.batch_get_image(repositoryName="algo", imageIds=[{"imageDigest": first}])["images"]
    assert json.loads(image["imageManifest"])["schemaVersion"] == 2
    contradiction = [{"imageDigest": first, "imageTag": "v1"}]
    assert (
        ecr.batch_delete_image(repositoryName="algo", imageIds=contradiction)["failures"][0]["failureCode"] == "ImageNotFound"
    )
    removed = ecr.batch_delete_image(repositoryName="algo", imageIds=[{"imageDigest": second}, {"imageTag": "v1"}])
    assert (removed["imageIds"], len(removed["failures"])) == (by_tag, 1)
    with pytest.raises(ClientError, match="still contains images") as full:
        ecr.delete_repository(repositoryName="algo")
    assert code(full) == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName="algo", force=True)
    assert setup.layout.repository(WORLD, "algo").digests() == []


def test_a_repository_goes_without_those_below_its_name(setup: Setup, ecr: Any) -> None:
    digest = f"sha256:{'3' * 64}"
    for name in ("algo", "algo/part"):
        ecr.create_repository(repositoryName=name)
        setup.push(name, digest, "v1")
    ecr.delete_repository(repositoryName="algo", force=True)
    assert setup.layout.repository(World("123456789012", "us-east-1"), "algo/part").tags() == {"v1": digest}
    ecr.delete_repository(repositoryName="algo/part", force=True)


def test_the_password_says_whose_it_is_and_expires(setup: Setup, ecr: Any) -> None:
    (granted,) = ecr.get_authorization_token()["authorizationData"]
    assert granted["proxyEndpoint"] == f"http://{ADDRESS}"
    user, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
    now = setup.clock.now()
    assert user == "AWS"
    assert granted["expiresAt"].timestamp() == pytest.approx(now + 12 * 3600, abs=1)
    claims = setup.keyring.registry_claims(password, now)
    assert (claims["account"], claims["region"]) == (WORLD.account, WORLD.region)
    with pytest.raises(Fault, match="Your authorization token has expired"):
        setup.keyring.registry_claims(password, now + 13 * 3600)
    session = setup.keyring.mint(WORLD.account, "arn:aws:iam::123456789012:role/R", "s", 3600, now).token
    for wrong in ("", "x", password[:-1], session):
        with pytest.raises(Fault):
            setup.keyring.registry_claims(wrong, now)
