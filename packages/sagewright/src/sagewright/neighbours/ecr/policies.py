"""Policies of a repository, kept as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from sagewright.kernel.operation import Context, Handler
from sagewright.neighbours.ecr import rows
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault


class Policies:
    """The repository policy and the lifecycle policy."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        access = _Policy("policyText", "RepositoryPolicyNotFoundException", "Repository policy")
        lifecycle = _Policy("lifecyclePolicyText", "LifecyclePolicyNotFoundException", "Lifecycle policy")
        return {
            "SetRepositoryPolicy": self._put(access),
            "GetRepositoryPolicy": self._get(access),
            "DeleteRepositoryPolicy": self._delete(access),
            "PutLifecyclePolicy": self._put(lifecycle),
            "GetLifecyclePolicy": self._get(lifecycle),
            "DeleteLifecyclePolicy": self._delete(lifecycle),
        }

    def _put(self, policy: _Policy) -> Handler:
        async def put(context: Context, request: Document) -> Document:
            text = request[policy.member]
            if not _is_object(text):
                raise Fault(
                    rows.INVALID, f"Invalid parameter at '{policy.member}' failed to satisfy constraint: 'Invalid JSON'"
                )
            return await self._change(context, request, policy, lambda row: {**row.spec, policy.member: text})

        return put

    def _get(self, policy: _Policy) -> Handler:
        async def get(context: Context, request: Document) -> Document:
            world, name = rows.world_of(context, request), request["repositoryName"]
            row = await self._store.read(lambda transaction: rows.found(transaction, world, name))
            return policy.answer(row)

        return get

    def _delete(self, policy: _Policy) -> Handler:
        async def delete(context: Context, request: Document) -> Document:
            def without(row: Resource) -> Mapping[str, Any]:
                policy.answer(row)
                return {member: value for member, value in row.spec.items() if member != policy.member}

            return await self._change(context, request, policy, without, before=True)

        return delete

    async def _change(
        self, context: Context, request: Document, policy: _Policy, changed: Any, before: bool = False
    ) -> Document:
        """Answers with the policy after the change, or as it was ``before``."""
        world, name = rows.world_of(context, request), request["repositoryName"]

        def work(transaction: Transaction) -> Document:
            row = rows.found(transaction, world, name)
            saved = transaction.resources.save(replace(row, spec=changed(row), modified=context.now))
            return policy.answer(row if before else saved)

        return await self._store.write(work)


class _Policy:
    def __init__(self, member: str, missing: str, title: str) -> None:
        self.member = member
        self._missing = missing
        self._title = title

    def answer(self, row: Resource) -> Document:
        """Raises the Fault for a repository without one."""
        if self.member not in row.spec:
            text = f"{self._title} does not exist for the repository with name '{row.key}' in the registry with id '{row.world.account}'"
            raise Fault(self._missing, text)
        return {"registryId": row.world.account, "repositoryName": row.key, self.member: row.spec[self.member]}


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
