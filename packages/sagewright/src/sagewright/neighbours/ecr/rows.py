"""A repository's row: finding the one that a request names, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import make_marker, read_marker
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

KIND = "ecr:Repository"
INVALID = "InvalidParameterException"
Item = TypeVar("Item")

_MOST_TAGS = 50
_PAGE = 100


def world_of(context: Context, request: Document) -> World:
    """Whose registry a request means: the caller's own unless it names another."""
    return World(request.get("registryId", context.world.account), context.world.region)


def found(transaction: Transaction, world: World, name: str) -> Resource:
    """Raises RepositoryNotFoundException."""
    row = transaction.resources.get(world, KIND, name)
    if row is None:
        raise Fault("RepositoryNotFoundException", f"The repository with name '{name}' does not exist in {_registry(world)}")
    return row


def exists(world: World, name: str) -> Fault:
    """The error for a name that is taken."""
    return Fault("RepositoryAlreadyExistsException", f"The repository with name '{name}' already exists in {_registry(world)}")


def not_empty(world: World, name: str) -> Fault:
    """The error for a repository that may only go with force."""
    text = f"The repository with name '{name}' in registry with id '{world.account}' cannot be deleted because it still contains images"
    return Fault("RepositoryNotEmptyException", text)


def no_image(world: World, name: str, identifier: Mapping[str, str]) -> Fault:
    """The error for an image that a repository does not hold."""
    digest, tag = (identifier.get(member, "null") for member in ("imageDigest", "imageTag"))
    text = f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within the repository with name '{name}'"
    return Fault("ImageNotFoundException", f"{text} in {_registry(world)}")


def by_arn(transaction: Transaction, arn: str) -> Resource:
    """Raises RepositoryNotFoundException, InvalidParameterException."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "ecr" or not parts[5].startswith("repository/"):
        raise Fault(INVALID, f"Invalid parameter at 'resourceArn': {arn} is not the ARN of a repository.")
    return found(transaction, World(parts[4], parts[3]), parts[5].removeprefix("repository/"))


def tags_of(listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Raises InvalidTagParameterException."""
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    if len(tags) != len(listed):
        raise Fault("InvalidTagParameterException", "Duplicate tag keys found.")
    return tags


def refuse_many(tags: Mapping[str, str]) -> None:
    """Raises TooManyTagsException."""
    if len(tags) > _MOST_TAGS:
        raise Fault("TooManyTagsException", f"A repository can have {_MOST_TAGS} tags at most.")


def page(items: Sequence[Item], request: Document) -> tuple[Sequence[Item], Document]:
    """``nextToken`` and ``maxResults`` in, ``nextToken`` out."""
    start = 0
    if "nextToken" in request:
        (place,) = read_marker(request["nextToken"], 1, Fault(INVALID, "Invalid parameter at 'nextToken'."))
        start = int(place) if place.isdecimal() else len(items)
    end = start + request.get("maxResults", _PAGE)
    return items[start:end], {"nextToken": make_marker([str(end)])} if end < len(items) else {}


def _registry(world: World) -> str:
    return f"the registry with id '{world.account}'"
