"""IAM roles.

A role that nobody has created is made at its first use, trusting the services that work for SageMaker: users bring role ARNs of their AWS
account, and v3 of the SDK refuses one that GetRole does not know or that does not trust sagemaker.amazonaws.com. CreateRole replaces such
a role; after DeleteRole it stays away until CreateRole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from sagewright.kernel.operation import Context
from sagewright.neighbours.iam.ids import (
    checked_document,
    encoded,
    no_such_entity,
    refuse_many,
    role_id,
    tags_of,
    world_of,
)
from sagewright.neighbours.requests import Handlers, iam_page
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

KIND = "iam:Role"
_DELETED = "iam:DeletedRole"
_HOUR = 3600
_SERVICES = ("sagemaker", "lambda", "events", "scheduler", "bedrock")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": [f"{service}.amazonaws.com" for service in _SERVICES]},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Roles:
    """The operations on roles."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "GetRole": self.get,
            "CreateRole": self.create,
            "DeleteRole": self.delete,
            "ListRoles": self.list,
            "UpdateRole": self.update,
            "UpdateAssumeRolePolicy": self.update_trust,
            "ListInstanceProfilesForRole": self.list_instance_profiles,
            "TagRole": self.tag,
            "UntagRole": self.untag,
            "ListRoleTags": self.list_tags,
        }

    async def get(self, context: Context, request: Document) -> Document:
        """GetRole."""

        def work(transaction: Transaction) -> Document:
            role = use(transaction, context, request["RoleName"])
            return {"Role": _described(role, transaction.tags.get(role.arn))}

        return await self._store.write(work)

    async def create(self, context: Context, request: Document) -> Document:
        """CreateRole. PermissionsBoundary is kept and answered; like every policy it is not evaluated."""
        checked_document(request["AssumeRolePolicyDocument"])
        tags = tags_of(request.get("Tags", []))
        refuse_many(tags)
        spec = {name: value for name, value in request.items() if name not in ("RoleName", "Tags")}

        def work(transaction: Transaction) -> Document:
            self._make_room(transaction, context.world.account, request["RoleName"])
            role = transaction.resources.insert(_new(context, request["RoleName"], spec))
            return {"Role": _described(role, transaction.tags.set(role.arn, tags))}

        return await self._store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteRole."""

        def work(transaction: Transaction) -> Document:
            role = find(transaction, context.world.account, request["RoleName"])
            if role is None:
                raise _missing(request["RoleName"])
            if role.status["Attached"]:
                raise Fault("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
            if role.status["Inline"]:
                raise Fault("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
            transaction.resources.delete(role)
            transaction.resources.insert(replace(role, kind=_DELETED, arn="", spec={}, status={}))
            return {}

        return await self._store.write(work)

    async def list(self, context: Context, request: Document) -> Document:
        """ListRoles: those that were created or used so far."""
        prefix = request.get("PathPrefix", "/")
        roles = await self._store.read(lambda transaction: every_role(transaction, context.world.account))
        page, marks = iam_page([role for role in roles if role.spec["Path"].startswith(prefix)], lambda role: role.key, request)
        return {"Roles": [_described(role) for role in page], **marks}

    async def update(self, context: Context, request: Document) -> Document:
        """UpdateRole."""
        changes: Document = {name: request[name] for name in ("Description", "MaxSessionDuration") if name in request}
        await self._change(context, request, lambda role: replace(role, spec={**role.spec, **changes}))
        return {}

    async def update_trust(self, context: Context, request: Document) -> Document:
        """UpdateAssumeRolePolicy."""
        document = checked_document(request["PolicyDocument"])
        await self._change(
            context, request, lambda role: replace(role, spec={**role.spec, "AssumeRolePolicyDocument": document})
        )
        return {}

    async def list_instance_profiles(self, context: Context, request: Document) -> Document:
        """ListInstanceProfilesForRole: there are none, because there is no EC2. Terraform asks before it deletes a role."""
        await self.get(context, request)
        return {"InstanceProfiles": [], "IsTruncated": False}

    async def tag(self, context: Context, request: Document) -> Document:
        """TagRole."""
        tags = tags_of(request["Tags"])

        def work(transaction: Transaction) -> Document:
            refuse_many(transaction.tags.set(use(transaction, context, request["RoleName"]).arn, tags))
            return {}

        return await self._store.write(work)

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagRole."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.remove(use(transaction, context, request["RoleName"]).arn, request["TagKeys"])
            return {}

        return await self._store.write(work)

    async def list_tags(self, context: Context, request: Document) -> Document:
        """ListRoleTags."""
        tags = await self._store.write(
            lambda transaction: transaction.tags.get(use(transaction, context, request["RoleName"]).arn)
        )
        page, marks = iam_page(_listed(tags), lambda tag: tag["Key"], request)
        return {"Tags": page, **marks}

    async def _change(self, context: Context, request: Document, changed: Callable[[Resource], Resource]) -> None:
        await self._store.write(
            lambda transaction: transaction.resources.save(changed(use(transaction, context, request["RoleName"])))
        )

    def _make_room(self, transaction: Transaction, account: str, name: str) -> None:
        known = find(transaction, account, name)
        if known is not None and not known.status.get("Implicit"):
            raise Fault("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        deleted = transaction.resources.get(world_of(account), _DELETED, name)
        for row in (known, deleted):
            if row is not None:
                transaction.resources.delete(row)


def find(transaction: Transaction, account: str, name: str) -> Resource | None:
    """The role, or None; makes none."""
    return transaction.resources.get(world_of(account), KIND, name)


def use(transaction: Transaction, context: Context, name: str) -> Resource:
    """The role, made when nobody has deleted it; raises NoSuchEntity. Needs a transaction that may write."""
    account = context.world.account
    known = find(transaction, account, name)
    if known is not None:
        return known
    if transaction.resources.get(world_of(account), _DELETED, name) is not None:
        raise _missing(name)
    spec = {"Path": _likely_path(name), "AssumeRolePolicyDocument": orjson.dumps(_TRUST).decode()}
    role = _new(context, name, spec)
    return transaction.resources.insert(replace(role, status={**role.status, "Implicit": True}))


def every_role(transaction: Transaction, account: str) -> list[Resource]:
    """All roles of an account."""
    return transaction.resources.query(world_of(account), KIND, order="name", descending=False, limit=1_000_000)


def maximum_session(transaction: Transaction, account: str, name: str) -> int:
    """Seconds that keys of this role may last: AWS's own limit of 12 hours for a role that nobody has created."""
    role = find(transaction, account, name)
    if role is None or role.status.get("Implicit"):
        return 12 * _HOUR
    return int(role.spec.get("MaxSessionDuration", _HOUR))


def _missing(name: str) -> Fault:
    return no_such_entity(f"The role with name {name} cannot be found.")


def _likely_path(name: str) -> str:
    """SageMaker's console makes its roles below /service-role/ (contracts of get_execution_role)."""
    return "/service-role/" if name.startswith("AmazonSageMaker") else "/"


def _new(context: Context, name: str, spec: Mapping[str, Any]) -> Resource:
    account = context.world.account
    path = spec.get("Path", "/")
    return Resource(
        world_of(account),
        KIND,
        name,
        f"arn:aws:iam::{account}:role{path}{name}",
        name,
        spec={"Path": path, **spec},
        status={"RoleId": role_id(account, name), "Attached": [], "Inline": {}},
        created=context.now,
        modified=context.now,
    )


def _described(role: Resource, tags: Mapping[str, str] | None = None) -> Document:
    """GetRole and CreateRole answer with tags, ListRoles without (API reference)."""
    document: Document = {
        "RoleName": role.key,
        "RoleId": role.status["RoleId"],
        "Arn": role.arn,
        "CreateDate": role.created,
        "MaxSessionDuration": _HOUR,
        **role.spec,
        "AssumeRolePolicyDocument": encoded(role.spec["AssumeRolePolicyDocument"]),
    }
    if "PermissionsBoundary" in role.spec:
        boundary = role.spec["PermissionsBoundary"]
        document["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    if tags:
        document["Tags"] = _listed(tags)
    return document


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
