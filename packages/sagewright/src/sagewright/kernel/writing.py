"""Making, changing and removing rows, inside a transaction: what derived and hand-written handlers share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Kind
from sagewright.kernel.operation import Caller, Context
from sagewright.kernel.projection import every
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Exists, Resource
from sagewright.wire.errors import Fault, validation

MAX_TAGS = 50
"""Tags per resource (SageMaker's documented quota)."""


def new_resource(context: Context, kind: Kind, spec: Document, **status: Any) -> Resource:
    """A row that is not written yet, with the ids, ARN and members the platform gives; ``status`` are further such members."""
    chosen = {member: kind.new_id() for member in kind.identity if kind.new_id and member not in spec and member != kind.arn}
    named = {**spec, **chosen, **status}
    key = kind.key(named) or (kind.new_id() if kind.new_id else "")
    filled = {member: value for fill in kind.fills for member, value in fill(context, named).items()}
    author = {"CreatedBy": user_context(context.caller), "LastModifiedBy": user_context(context.caller)} if kind.author else {}
    return Resource(
        world=context.world,
        kind=kind.name,
        key=key,
        arn=kind.arn_of(context.world, key) if kind.arn else "",
        name=str(named.get(f"{kind.name}Name") or named.get("Name") or named.get(kind.name_member) or key),
        state=kind.initial,
        spec=spec,
        status={**author, **filled, **chosen, **status},
        created=context.now,
        modified=context.now,
        due=context.now if kind.work else None,
    )


def insert(transaction: Transaction, catalog: Catalog, resource: Resource, tags: Mapping[str, str] | None = None) -> Resource:
    """Writes a new row in AWS's order of checks: what it refers to, then whether its name is taken. Raises Fault."""
    kind = catalog[resource.kind]
    document = {**resource.spec, **resource.status}
    catalog.check_references(transaction, resource.world, kind, document)
    parent = kind.parent and document.get(kind.parent.member)
    if kind.parent and parent:
        above = catalog.named(transaction, resource.world, catalog[kind.parent.kind], str(parent))
        resource = replace(resource, parent=above.key)
    if resource.arn and transaction.resources.by_arn(resource.arn):
        raise catalog.exists(kind, resource.world, resource.key)
    try:
        written = transaction.resources.insert(resource)
    except Exists:
        raise catalog.exists(kind, resource.world, resource.key) from None
    if tags:
        transaction.tags.set(resource.arn, tags)
    return written


def change(
    transaction: Transaction, context: Context, kind: Kind, resource: Resource, spec: Document, **status: Any
) -> Resource:
    """Writes a new spec and further status members; who did it and when are filled in."""
    author = {"LastModifiedBy": user_context(context.caller)} if kind.author else {}
    due = context.now if kind.work else resource.due
    changed = replace(resource, spec=spec, status={**resource.status, **author, **status}, modified=context.now, due=due)
    return transaction.resources.save(changed)


def remove(transaction: Transaction, catalog: Catalog, resource: Resource) -> None:
    """Deletes a row and the children that go with it; raises Fault while other rows need it."""
    kind = catalog[resource.kind]
    _refuse_while_referred(transaction, catalog, kind, resource)
    for child, parent in catalog.children(kind):
        if parent.orphans == "keep":
            continue
        rows = transaction.resources.query(
            resource.world, child.name, parent=resource.key, limit=1 if parent.orphans == "refuse" else 1000
        )
        if rows and parent.orphans == "refuse":
            raise catalog.still_has(child, parent, resource)
        while rows:
            for row in rows:
                remove(transaction, catalog, row)
            rows = transaction.resources.query(resource.world, child.name, parent=resource.key, limit=1000)
    transaction.resources.delete(resource)


def once(
    transaction: Transaction,
    context: Context,
    operation: str,
    token: str | None,
    request: Document,
    answer: Callable[[], Document],
) -> Document:
    """Runs ``answer`` unless the same token came before: then the same request gets the same answer and another one a Fault."""
    if not token:
        return answer()
    digest = hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()
    known = transaction.tokens.get(context.world, operation, token)
    if known is None:
        made = answer()
        transaction.tokens.put(context.world, operation, token, digest, made)
        return made
    if known.request != digest:
        raise validation(f"The client token {token} was already used for another request of {operation}.")
    return known.response


def tag_mapping(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """From a list of Key and Value; raises Fault for a key that is there twice, is reserved, or is one too many."""
    mapping: dict[str, str] = {}
    for tag in tags or ():
        if tag["Key"] in mapping:
            raise validation(f"Duplicate tag keys found: {tag['Key']}")
        if tag["Key"].lower().startswith("aws:"):
            raise validation("aws: prefixed tag key names are not allowed for external use.")
        mapping[tag["Key"]] = tag["Value"]
    refuse_many_tags(mapping)
    return mapping


def refuse_many_tags(mapping: Mapping[str, str]) -> None:
    """Raises Fault above SageMaker's quota of tags per resource."""
    if len(mapping) > MAX_TAGS:
        raise validation(f"Number of tags {len(mapping)} exceeds the limit of {MAX_TAGS} per resource.")


def user_context(caller: Caller) -> Document:
    """AWS's UserContext of who made or changed something."""
    return {"IamIdentity": {"Arn": caller.arn, "PrincipalId": caller.access_key}}


def _refuse_while_referred(transaction: Transaction, catalog: Catalog, kind: Kind, resource: Resource) -> None:
    for referrer, reference in catalog.referrers(kind):
        for state in reference.during or (None,):
            for row in transaction.resources.query(resource.world, referrer.name, state=state, limit=10_000):
                if {resource.name, resource.key, resource.arn} & set(every({**row.spec, **row.status}, reference.path)):
                    raise _in_use(catalog, kind, resource, row)


def _in_use(catalog: Catalog, kind: Kind, resource: Resource, by: Resource) -> Fault:
    declared = "ResourceInUse" in catalog.model.errors(kind.delete)
    words = f"Cannot delete {kind.words} {resource.arn}: it is in use by {by.arn}."
    return Fault("ResourceInUse" if declared else "ValidationException", words)
