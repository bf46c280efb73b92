"""Kinds from the service model: everything that follows from names, shapes and declared errors.

A kind is a pair CreateX and DescribeX. What the model does not say comes from quirks/, applied by ``kinds``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sagewright.kernel.kind import Kind, Parent, Reference, SearchView, Wording
from sagewright.kernel.shapes import Model, Shape, members

CREATED = ("CreationTime", "CreatedAt", "CreateDate", "RegistrationTime", "OriginalCreationTime")
MODIFIED = ("LastModifiedTime", "LastModifiedAt", "LastUpdatedDate", "LastUpdatedTime")

FIRST_STATES = (
    "Creating",
    "CREATING",
    "Starting",
    "STARTING",
    "Initializing",
    "Pending",
    "PENDING",
    "InProgress",
    "INPROGRESS",
)
SETTLED_STATES = ("InService", "Active", "Available", "Completed", "Created", "CREATED")

_SLUG = re.compile(r":(?:\[0-9\]\{12\}|\\d\{12\}|\(\[0-9\]\{12\}\|aws\)):([a-z-]+)/")


def kinds(
    model: Model, quirks: Mapping[str, Mapping[str, Any]], extra: Iterable[Kind], records: Iterable[str]
) -> dict[str, Kind]:
    """All kinds by name: derived, then changed by ``quirks``; ``extra`` have no Create and Describe of their own.

    Only ``records`` are made at once; every other kind is work, so that a kind nobody has thought about is refused, not feigned.
    """
    settled = set(records)
    found = {name: _changed(_derive(model, name, name not in settled), quirks.get(name, {})) for name in _names(model)}
    found |= {kind.name: kind for kind in extra}
    return {name: _connected(model, kind, found, quirks.get(name, {})) for name, kind in found.items()}


def _names(model: Model) -> list[str]:
    return sorted(o[6:] for o in model if o.startswith("Create") and f"Describe{o[6:]}" in model)


def _changed(kind: Kind, change: Mapping[str, Any]) -> Kind:
    """A quirk replaces a field, except that aliases are added to the derived ones."""
    aliases = {**kind.aliases, **change.get("aliases", {})}
    return replace(kind, **{**change, "aliases": aliases})


def _derive(model: Model, name: str, work: bool) -> Kind:
    create, describe = f"Create{name}", f"Describe{name}"
    given, shown = members(model.input(create)), members(model.output(describe))
    listing = next((o for o in _list_names(name) if o in model), None)
    items = next((m for m, shape in members(model.output(listing)).items() if shape.type_name == "list"), "") if listing else ""
    summary = _item_members(model, listing, items)
    identity = _identity(model, describe)
    arn, arn_shape = _arn(members(model.output(create)), shown)
    status = _status(name, given, shown)
    return Kind(
        name=name,
        create=create,
        describe=describe,
        list=listing,
        update=_if_there(f"Update{name}", model),
        delete=_if_there(f"Delete{name}", model),
        identity=identity,
        arn=arn,
        slug=_slug(name, arn_shape),
        status=status,
        initial=_state(shown[status].enum, FIRST_STATES if work else SETTLED_STATES) if status else "",
        items=items,
        times=times({**shown, **summary}),
        aliases=_aliases(name, shown, summary),
        missing=_missing(model, describe),
        exists=_exists(model, create),
        work=work,
        author="CreatedBy" in shown,
        tagged="Tags" in given,
        tags_shown="Tags" in shown,
    )


def _connected(model: Model, kind: Kind, found: Mapping[str, Kind], change: Mapping[str, Any]) -> Kind:
    """References, parent and Search view follow from the other kinds' identities."""
    # A kind found by that member alone is no part of the other: AutoMLJobV2 shares AutoMLJob's names.
    owners = {member: name for member, name in _owners(found.values()).items() if kind.identity != (member,)}
    references = tuple(Reference(m, owners[m]) for m in members(model.input(kind.create)) if m in owners)
    above = next((m for m in kind.identity if m in owners), None)
    return replace(
        kind,
        references=kind.references if "references" in change or kind.references else references,
        parent=kind.parent or (Parent(owners[above], above) if above else None),
        search=kind.search or _search(model, kind.name),
    )


def _owners(found: Iterable[Kind]) -> dict[str, str]:
    """Identity members that say which kind they name: ModelName is Model's, JobName is nobody's."""
    single = (kind for kind in found if len(kind.identity) == 1)
    return {kind.identity[0]: kind.name for kind in single if kind.identity[0] in (f"{kind.name}Name", f"{kind.name}Id")}


def _search(model: Model, name: str) -> SearchView | None:
    result = members(model.output("Search")).get("Results")
    resources = members(model.input("Search"))["Resource"].enum if result else ()
    resource = next((r for r in (name, f"Experiment{name}") if r in resources), None)
    return SearchView(resource, name) if result and resource and name in result.member.members else None


def times(shown: Mapping[str, Shape]) -> tuple[tuple[str, bool], ...]:
    """The members among ``shown`` that are the row's own times: (member, whether it is the creation time)."""
    return tuple((m, m in CREATED) for m in shown if m in CREATED or m in MODIFIED)


def _identity(model: Model, describe: str) -> tuple[str, ...]:
    shape = model.input(describe)
    return tuple(shape.required_members) if shape else ()


def _arn(made: Mapping[str, Shape], shown: Mapping[str, Shape]) -> tuple[str, Shape | None]:
    both = {**shown, **made}
    member = next((m for m in [*made, *shown] if m.endswith("Arn")), "")
    return member, both.get(member)


def _slug(name: str, arn: Shape | None) -> str:
    """From the ARN shape's pattern where it says so, else the kind's name with hyphens."""
    found = _SLUG.search(str(arn.metadata.get("pattern", "")).replace("\\/", "/")) if arn else None
    return found[1] if found else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _status(name: str, given: Mapping[str, Shape], shown: Mapping[str, Shape]) -> str:
    """A status is an enum that the platform writes; what the user gives (ModelCardStatus) is none."""
    found = [m for m, s in shown.items() if m.endswith("Status") and m not in given and s.type_name == "string" and s.enum]
    return min(found, key=lambda m: (m not in (f"{name}Status", "Status"), found.index(m)), default="")


def _state(enum: Iterable[str], wanted: Iterable[str]) -> str:
    states = list(enum)
    return next((state for state in wanted if state in states), states[0])


def _missing(model: Model, describe: str) -> Wording:
    declared = "ResourceNotFound" in model.errors(describe)
    return Wording("ResourceNotFound" if declared else "ValidationException", "{kind} {name} does not exist.")


def _exists(model: Model, create: str) -> Wording:
    declared = "ResourceInUse" in model.errors(create)
    return Wording("ResourceInUse" if declared else "ValidationException", "{kind} already exists: {arn}")


def _aliases(name: str, shown: Mapping[str, Shape], summary: Mapping[str, Shape]) -> dict[str, str]:
    """A summary repeats the kind's name before some members: ExperimentSource is Source."""
    prefixed = ((m, m.removeprefix(name)) for m in summary if m not in shown)
    return {member: bare for member, bare in prefixed if bare != member and bare in shown}


def _item_members(model: Model, listing: str | None, items: str) -> Mapping[str, Shape]:
    if not listing or not items:
        return {}
    item = members(model.output(listing))[items].member
    return item.members if item.type_name == "structure" else {}


def _list_names(name: str) -> list[str]:
    return [f"List{name}s", f"List{name[:-1]}ies" if name.endswith("y") else f"List{name}"]


def _if_there(operation: str, model: Model) -> str | None:
    return operation if operation in model else None
