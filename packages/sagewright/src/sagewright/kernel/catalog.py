"""All kinds together: finding rows by name or ARN, AWS's errors about them, and the document of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sagewright.base.arn import Arn
from sagewright.base.world import World
from sagewright.kernel.kind import Kind, Parent, Reference, Wording
from sagewright.kernel.projection import Project, Projections, every
from sagewright.kernel.shapes import Model, members
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault


class Catalog:
    """Kinds by name. Read only once made; safe from any thread."""

    def __init__(self, model: Model, kinds: Mapping[str, Kind]) -> None:
        self.model = model
        self.projections = Projections()
        self._kinds = dict(kinds)
        self._slugs = {kind.slug: kind for kind in reversed(list(kinds.values())) if kind.arn}
        self._children = {name: [(k, k.parent) for k in kinds.values() if k.parent and k.parent.kind == name] for name in kinds}
        self._referrers = {
            name: [(k, r) for k in kinds.values() for r in k.references if r.kind == name and r.protects] for name in kinds
        }

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def __getitem__(self, name: str) -> Kind:
        """Raises KeyError for a kind that is not there."""
        return self._kinds[name]

    def children(self, kind: Kind) -> list[tuple[Kind, Parent]]:
        """The kinds listed below this one."""
        return self._children[kind.name]

    def referrers(self, kind: Kind) -> list[tuple[Kind, Reference]]:
        """The kinds whose rows protect rows of this kind from deletion."""
        return self._referrers[kind.name]

    def projection(self, kind: Kind, operation: str | None) -> Project:
        """From a document of the kind to an operation's answer."""
        output = self.model.output(operation)
        trusted = members(self.model.input(kind.create))
        if kind.envelope and kind.envelope in members(output):
            inner = self.projections.of(members(output)[kind.envelope], trusted, kind.aliases)
            return _wrapped(kind.envelope, inner)
        return self.projections.of(output, trusted, kind.aliases)

    def find(self, transaction: Transaction, world: World, kind: Kind, request: Mapping[str, Any]) -> Resource:
        """The row that the identity members of a request name, each by name or ARN; raises the kind's Fault when it is not there."""
        first = request.get(kind.arn) or (request.get(kind.identity[0]) if len(kind.identity) == 1 else None)
        if isinstance(first, str) and first.startswith("arn:"):
            return self.by_arn(transaction, world, kind, first)
        key = kind.key({member: _name(request.get(member)) for member in kind.identity})
        row = transaction.resources.get(world, kind.name, key)
        if row is None:
            raise self.missing(kind, world, key)
        return row

    def named(self, transaction: Transaction, world: World, kind: Kind, value: str) -> Resource:
        """The row with this name (the whole key) or ARN; raises the kind's Fault when it is not there."""
        if value.startswith("arn:"):
            return self.by_arn(transaction, world, kind, value)
        row = transaction.resources.get(world, kind.name, value.lower() if kind.caseless else value)
        if row is None:
            raise self.missing(kind, world, value)
        return row

    def by_arn(self, transaction: Transaction, world: World, kind: Kind, arn: str) -> Resource:
        """The row with this ARN, of this kind and in this world; raises the kind's Fault when it is not there."""
        row = transaction.resources.by_arn(arn) or transaction.resources.by_arn(arn.lower())
        if row is None or row.world != world or row.kind != kind.name:
            raise _fault(kind.missing, kind, arn.rpartition("/")[2], arn)
        return row

    def kind_of_arn(self, arn: str) -> Kind | None:
        """The kind that an ARN's form belongs to, whether or not such a resource is there."""
        try:
            resource = Arn.parse(arn).resource
        except ValueError:
            return None
        longest = max((slug for slug in self._slugs if resource.startswith(f"{slug}/")), key=len, default="")
        return self._slugs.get(longest)

    def missing(self, kind: Kind, world: World, key: str) -> Fault:
        """The kind's error for a resource that is not there."""
        return _fault(kind.missing, kind, key.rpartition("/")[2], kind.arn_of(world, key))

    def exists(self, kind: Kind, world: World, key: str) -> Fault:
        """The kind's error for a name that is taken."""
        return _fault(kind.exists, kind, key.rpartition("/")[2], kind.arn_of(world, key))

    def still_has(self, kind: Kind, parent: Parent, resource: Resource) -> Fault:
        """The error for deleting a resource that has children of ``kind``."""
        wording = parent.wording or Wording("ResourceInUse", f"{{kind}} {{name}} still has resources of kind {kind.name}.")
        return _fault(wording, self[resource.kind], resource.name or resource.key, resource.arn)

    def check_references(self, transaction: Transaction, world: World, kind: Kind, spec: Document) -> None:
        """Raises the other kind's Fault when something the spec names is not there. ARNs of other accounts are not looked up."""
        for reference in kind.references:
            for value in every(spec, reference.path):
                if not _elsewhere(world, value):
                    self.named(transaction, world, self[reference.kind], value)

    def document(self, kind: Kind, resource: Resource, tags: Mapping[str, str] | None = None) -> Document:
        """Spec, overlaid by status, ARN, state and times (which the status may overrule)."""
        document: Document = {member: resource.created if creation else resource.modified for member, creation in kind.times}
        document.update(resource.spec)
        if kind.arn:
            document[kind.arn] = resource.arn
        if kind.status:
            document[kind.status] = resource.state
        document.update(resource.status)
        if tags is not None:
            document["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return document


def _wrapped(member: str, inner: Project) -> Callable[[Any], Document]:
    return lambda document: {member: inner(document)}


def _name(value: Any) -> Any:
    """The name inside an ARN that stands where a name may: arn:…:hub/name."""
    return value.rpartition("/")[2] if isinstance(value, str) and value.startswith("arn:") else value


def _elsewhere(world: World, value: str) -> bool:
    if not value.startswith("arn:"):
        return False
    try:
        return Arn.parse(value).account != world.account
    except ValueError:
        return False


def _fault(wording: Wording, kind: Kind, name: str, arn: str) -> Fault:
    return Fault(wording.code, wording.text.format(kind=kind.name, words=kind.words, name=name, arn=arn))
