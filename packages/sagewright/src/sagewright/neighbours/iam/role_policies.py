"""Policies on roles: managed ones that are attached, and inline ones. They are kept and answered; nothing evaluates them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagewright.kernel.operation import Context
from sagewright.neighbours.iam import policies, roles
from sagewright.neighbours.iam.ids import checked_document, encoded, no_such_entity
from sagewright.neighbours.requests import Handlers, iam_page
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource


class RolePolicies:
    """The operations on the policies of a role."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "AttachRolePolicy": self.attach,
            "DetachRolePolicy": self.detach,
            "ListAttachedRolePolicies": self.list_attached,
            "PutRolePolicy": self.put,
            "GetRolePolicy": self.get,
            "DeleteRolePolicy": self.delete,
            "ListRolePolicies": self.list,
        }

    async def attach(self, context: Context, request: Document) -> Document:
        """AttachRolePolicy; attaching twice is the same as once."""
        arn = request["PolicyArn"]

        def attached(transaction: Transaction, role: Resource) -> Resource:
            policies.refuse_unknown(transaction, context.world.account, arn)
            return _with(role, Attached=[*(known for known in role.status["Attached"] if known != arn), arn])

        return await self._change(context, request, attached)

    async def detach(self, context: Context, request: Document) -> Document:
        """DetachRolePolicy."""
        arn = request["PolicyArn"]

        def detached(_: Transaction, role: Resource) -> Resource:
            if arn not in role.status["Attached"]:
                raise no_such_entity(f"Policy {arn} was not found.")
            return _with(role, Attached=[known for known in role.status["Attached"] if known != arn])

        return await self._change(context, request, detached)

    async def list_attached(self, context: Context, request: Document) -> Document:
        """ListAttachedRolePolicies."""
        role = await self._role(context, request)
        prefix = request.get("PathPrefix", "/")
        arns = [arn for arn in role.status["Attached"] if policies.path_of(arn).startswith(prefix)]
        page, marks = iam_page(arns, lambda arn: arn, request)
        return {"AttachedPolicies": [{"PolicyName": policies.name_of(arn), "PolicyArn": arn} for arn in page], **marks}

    async def put(self, context: Context, request: Document) -> Document:
        """PutRolePolicy."""
        document = checked_document(request["PolicyDocument"])
        return await self._change(
            context, request, lambda _, role: _with(role, Inline={**role.status["Inline"], request["PolicyName"]: document})
        )

    async def get(self, context: Context, request: Document) -> Document:
        """GetRolePolicy."""
        role = await self._role(context, request)
        document = _inline(role, request["PolicyName"])
        return {"RoleName": role.key, "PolicyName": request["PolicyName"], "PolicyDocument": encoded(document)}

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteRolePolicy."""

        def removed(_: Transaction, role: Resource) -> Resource:
            _inline(role, request["PolicyName"])
            return _with(
                role, Inline={name: text for name, text in role.status["Inline"].items() if name != request["PolicyName"]}
            )

        return await self._change(context, request, removed)

    async def list(self, context: Context, request: Document) -> Document:
        """ListRolePolicies."""
        role = await self._role(context, request)
        page, marks = iam_page(list(role.status["Inline"]), lambda name: name, request)
        return {"PolicyNames": page, **marks}

    async def _role(self, context: Context, request: Document) -> Resource:
        return await self._store.write(lambda transaction: roles.use(transaction, context, request["RoleName"]))

    async def _change(
        self, context: Context, request: Document, changed: Callable[[Transaction, Resource], Resource]
    ) -> Document:
        def work(transaction: Transaction) -> Document:
            role = roles.use(transaction, context, request["RoleName"])
            transaction.resources.save(changed(transaction, role))
            return {}

        return await self._store.write(work)


def _with(role: Resource, **status: object) -> Resource:
    return replace(role, status={**role.status, **status})


def _inline(role: Resource, name: str) -> str:
    document: str | None = role.status["Inline"].get(name)
    if document is None:
        raise no_such_entity(f"The role policy with name {name} cannot be found.")
    return document
