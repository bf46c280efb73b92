"""What the engine knows of one kind of resource: plain frozen data, most of it derived from the service model.

A kind never acts. The verbs (crud.py, listing.py, tags.py, search.py) read it; derive.py writes what the model says and quirks/
what the model does not say. A field must serve two kinds or it becomes a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sagewright.base.arn import sagemaker_arn
from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

Rule = Callable[[Context, Document], Document | None]
"""Checks a request (raises wire.errors.Fault) and may answer with another request: defaults filled in. Never I/O."""

Fill = Callable[[Context, Document], Document]
"""From the caller and the spec: the members of the document that the platform sets when the resource is made."""

Amend = Callable[[Document, Document], Document]
"""From the spec at hand and an Update request: the new spec, where merging member by member is not what AWS does."""

Enrich = Callable[[Transaction, Resource, Document], Document]
"""Members that only a Search record has, read from neighbouring rows."""


@dataclass(frozen=True, slots=True)
class Wording:
    """An error: its code, and its message with the fields ``{kind}``, ``{words}`` (kind in words), ``{name}`` and ``{arn}``."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """``path`` of the spec (``ProductionVariants[].ModelName``) names, by name or ARN, a resource of ``kind`` that must exist.

    With ``protects`` the other resource cannot be deleted while a referrer in one of the states ``during`` (empty: any) is there.
    """

    path: str
    kind: str
    protects: bool = False
    during: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parent:
    """The kind this one is listed below. ``member`` holds its name; ``orphans`` says what deleting the parent does to the children."""

    kind: str
    member: str
    orphans: Literal["refuse", "cascade", "keep"] = "refuse"
    wording: Wording | None = None


@dataclass(frozen=True, slots=True)
class SearchView:
    """How Search sees the kind: ``resource`` in the request, ``member`` of a result record."""

    resource: str
    member: str
    enrich: Enrich | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """See the module docstring. Operation names are botocore's; None means that AWS has no such operation.

    ``identity``: the members that find one (Describe's required input), in the order of the key. ``arn`` is the ARN member,
    ``slug`` the first part of the ARN's resource. ``status`` is the status member, ``initial`` the state at creation (for a
    record also the last). ``infix`` stands before the last part of the ARN (``device-fleet/f/device/d``). ``times`` are pairs (member, whether it is the creation time). ``aliases`` map a member of an answer
    or a filter to a path in the document. ``work``: on AWS, making one starts something, so a controller is needed.
    """

    name: str
    create: str | None = None
    describe: str | None = None
    list: str | None = None
    update: str | None = None
    delete: str | None = None
    identity: tuple[str, ...] = ()
    arn: str = ""
    slug: str = ""
    status: str = ""
    initial: str = ""
    items: str = ""
    times: tuple[tuple[str, bool], ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    missing: Wording = Wording("ResourceNotFound", "{kind} {name} does not exist.")
    exists: Wording = Wording("ValidationException", "{kind} already exists: {arn}")
    references: tuple[Reference, ...] = ()
    parent: Parent | None = None
    work: bool = False
    search: SearchView | None = None
    rules: tuple[Rule, ...] = ()
    fills: tuple[Fill, ...] = ()
    amend: Amend | None = None
    merged: frozenset[str] = frozenset()
    envelope: str = ""
    new_id: Callable[[], str] | None = None
    caseless: bool = False
    arn_keeps_case: bool = False
    infix: str = ""
    author: bool = False
    tagged: bool = True
    tags_shown: bool = False

    @property
    def words(self) -> str:
        """The kind in words: ``endpoint configuration`` reads better than EndpointConfig."""
        return self.slug.replace("-", " ") or self.name

    def key(self, document: Mapping[str, object]) -> str:
        """The row's key from the identity members of a request or document."""
        text = "/".join(str(document[member]) for member in self.identity if document.get(member) is not None)
        return text.lower() if self.caseless else text

    def arn_of(self, world: World, key: str) -> str:
        """AWS keeps the resource part of an ARN in lower case, with few exceptions."""
        if self.infix:
            above, _, last = key.rpartition("/")
            key = f"{above}/{self.infix}/{last}"
        return sagemaker_arn(world, f"{self.slug}/{key if self.arn_keeps_case else key.lower()}")

    @property
    def name_member(self) -> str:
        """The member that NameContains and SortBy=Name act on: the last one of the identity that is a name."""
        return next((member for member in reversed(self.identity) if member.endswith("Name")), "")
