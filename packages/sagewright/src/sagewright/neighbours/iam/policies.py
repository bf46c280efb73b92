"""Managed policies of an account, with their versions.

AWS's own policies (``arn:aws:iam::aws:policy/…``) may be attached by any name, but their documents are not known here, so looking into
one is NoSuchEntity and ListPolicies shows the account's own only. Nothing evaluates a policy.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sagewright.kernel.operation import Context
from sagewright.neighbours.iam import roles
from sagewright.neighbours.iam.ids import checked_document, encoded, no_such_entity, refuse_many, tags_of, unique_id, world_of
from sagewright.neighbours.requests import Handlers, iam_page, refuse
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

KIND = "iam:Policy"
MOST_VERSIONS = 5
_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}|aws):policy(?P<path>/(?:[\x21-\x7e]+/)?)(?P<name>[\w+=,.@-]{1,128})", re.ASCII
)


class Policies:
    """The operations on managed policies."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "CreatePolicy": self.create,
            "GetPolicy": self.get,
            "ListPolicies": self.list,
            "DeletePolicy": self.delete,
            "GetPolicyVersion": self.get_version,
            "ListPolicyVersions": self.list_versions,
            "CreatePolicyVersion": self.create_version,
            "DeletePolicyVersion": self.delete_version,
            "SetDefaultPolicyVersion": self.set_default_version,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """CreatePolicy."""
        document = checked_document(request["PolicyDocument"])
        tags = tags_of(request.get("Tags", []))
        refuse_many(tags)
        new = _new(context, request, document)

        def work(transaction: Transaction) -> Document:
            if transaction.resources.get(new.world, KIND, new.key) is not None:
                raise Fault(
                    "EntityAlreadyExists", f"A policy called {new.key} already exists. Duplicate names are not allowed.", 409
                )
            policy = transaction.resources.insert(new)
            return {"Policy": _described(policy, 0, transaction.tags.set(policy.arn, tags))}

        return await self._store.write(work)

    async def get(self, context: Context, request: Document) -> Document:
        """GetPolicy."""

        def work(transaction: Transaction) -> Document:
            policy = _find(transaction, context.world.account, request["PolicyArn"])
            count = len(_holders(transaction, context.world.account, policy.arn))
            return {"Policy": _described(policy, count, transaction.tags.get(policy.arn))}

        return await self._store.read(work)

    async def list(self, context: Context, request: Document) -> Document:
        """ListPolicies: the account's own."""
        refuse(request, "ValidationError", "PolicyUsageFilter")
        account, prefix = context.world.account, request.get("PathPrefix", "/")

        def work(transaction: Transaction) -> list[tuple[Resource, int]]:
            rows = transaction.resources.query(world_of(account), KIND, limit=1_000_000)
            chosen = [row for row in rows if row.spec["Path"].startswith(prefix) and request.get("Scope") != "AWS"]
            held = Counter(arn for role in roles.every_role(transaction, account) for arn in role.status["Attached"])
            return [(row, held[row.arn]) for row in chosen]

        found = [(row, count) for row, count in await self._store.read(work) if count or not request.get("OnlyAttached")]
        page, marks = iam_page(found, lambda pair: pair[0].key, request)
        return {"Policies": [_described(row, count) for row, count in page], **marks}

    async def delete(self, context: Context, request: Document) -> Document:
        """DeletePolicy."""

        def work(transaction: Transaction) -> Document:
            policy = _find(transaction, context.world.account, request["PolicyArn"])
            if _holders(transaction, context.world.account, policy.arn):
                raise Fault("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
            if len(policy.status["Versions"]) > 1:
                raise Fault(
                    "DeleteConflict",
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
                    "The default version is deleted with the policy.",
                    409,
                )
            transaction.resources.delete(policy)
            return {}

        return await self._store.write(work)

    async def get_version(self, context: Context, request: Document) -> Document:
        """GetPolicyVersion, with its document."""
        policy = await self._store.read(lambda transaction: _find(transaction, context.world.account, request["PolicyArn"]))
        version = _version(policy, request["VersionId"])
        return {"PolicyVersion": {**_described_version(policy, version), "Document": encoded(version["Document"])}}

    async def list_versions(self, context: Context, request: Document) -> Document:
        """ListPolicyVersions, without documents."""
        policy = await self._store.read(lambda transaction: _find(transaction, context.world.account, request["PolicyArn"]))
        page, marks = iam_page(policy.status["Versions"], lambda version: f"{int(version['VersionId'][1:]):09}", request)
        return {"Versions": [_described_version(policy, version) for version in page], **marks}

    async def create_version(self, context: Context, request: Document) -> Document:
        """CreatePolicyVersion."""
        document = checked_document(request["PolicyDocument"])

        def changed(policy: Resource) -> Resource:
            versions = policy.status["Versions"]
            if len(versions) >= MOST_VERSIONS:
                raise Fault(
                    "LimitExceeded",
                    f"A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new version, "
                    "you must delete an existing version.",
                    409,
                )
            number = policy.status["Next"]
            new = {"VersionId": f"v{number}", "Document": document, "CreateDate": context.now}
            default = {"DefaultVersionId": f"v{number}"} if request.get("SetAsDefault") else {}
            return _with(policy, context, Versions=[*versions, new], Next=number + 1, **default)

        policy = await self._change(context, request, changed)
        return {"PolicyVersion": _described_version(policy, policy.status["Versions"][-1])}

    async def delete_version(self, context: Context, request: Document) -> Document:
        """DeletePolicyVersion."""

        def changed(policy: Resource) -> Resource:
            version = _version(policy, request["VersionId"])
            if version["VersionId"] == policy.status["DefaultVersionId"]:
                raise Fault("DeleteConflict", "Cannot delete the default version of a policy.", 409)
            return _with(policy, context, Versions=[known for known in policy.status["Versions"] if known != version])

        await self._change(context, request, changed)
        return {}

    async def set_default_version(self, context: Context, request: Document) -> Document:
        """SetDefaultPolicyVersion."""
        await self._change(
            context,
            request,
            lambda policy: _with(policy, context, DefaultVersionId=_version(policy, request["VersionId"])["VersionId"]),
        )
        return {}

    async def _change(self, context: Context, request: Document, changed: Callable[[Resource], Resource]) -> Resource:
        return await self._store.write(
            lambda transaction: transaction.resources.save(
                changed(_find(transaction, context.world.account, request["PolicyArn"]))
            )
        )


def refuse_unknown(transaction: Transaction, account: str, arn: str) -> None:
    """Raises unless a policy may be attached: one of AWS's, or one that the account has."""
    if _matched(arn)["account"] != "aws":
        _find(transaction, account, arn)


def name_of(arn: str) -> str:
    """The name in a policy's ARN."""
    return _matched(arn)["name"]


def path_of(arn: str) -> str:
    """The path in a policy's ARN."""
    return _matched(arn)["path"]


def _matched(arn: str) -> re.Match[str]:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise Fault("ValidationError", f"ARN {arn} is not valid.")
    return match


def _find(transaction: Transaction, account: str, arn: str) -> Resource:
    policy = transaction.resources.get(world_of(account), KIND, _matched(arn)["name"])
    if policy is None or policy.arn != arn:
        raise no_such_entity(f"Policy {arn} was not found.")
    return policy


def _holders(transaction: Transaction, account: str, arn: str) -> list[Resource]:
    return [role for role in roles.every_role(transaction, account) if arn in role.status["Attached"]]


def _version(policy: Resource, name: str) -> dict[str, Any]:
    for version in policy.status["Versions"]:
        if version["VersionId"] == name:
            found: dict[str, Any] = version
            return found
    raise no_such_entity(f"Policy {policy.arn} version {name} does not exist or is not attachable.")


def _new(context: Context, request: Document, document: str) -> Resource:
    account, name, path = context.world.account, request["PolicyName"], request.get("Path", "/")
    version = {"VersionId": "v1", "Document": document, "CreateDate": context.now}
    return Resource(
        world_of(account),
        KIND,
        name,
        f"arn:aws:iam::{account}:policy{path}{name}",
        name,
        spec={"Path": path, **{member: request[member] for member in ("Description",) if member in request}},
        status={"Versions": [version], "DefaultVersionId": "v1", "Next": 2},
        created=context.now,
        modified=context.now,
    )


def _with(policy: Resource, context: Context, **status: object) -> Resource:
    return replace(policy, status={**policy.status, **status}, modified=context.now)


def _described(policy: Resource, attached: int, tags: dict[str, str] | None = None) -> Document:
    return {
        "PolicyName": policy.key,
        "PolicyId": unique_id("ANPA", policy.arn),
        "Arn": policy.arn,
        "DefaultVersionId": policy.status["DefaultVersionId"],
        "AttachmentCount": attached,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.modified,
        **policy.spec,
        **({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}),
    }


def _described_version(policy: Resource, version: dict[str, Any]) -> Document:
    return {
        "VersionId": version["VersionId"],
        "IsDefaultVersion": version["VersionId"] == policy.status["DefaultVersionId"],
        "CreateDate": version["CreateDate"],
    }
