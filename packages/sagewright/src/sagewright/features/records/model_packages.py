"""The model registry: numbered versions in a group, unversioned packages, approval, and the group's policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.records.versions import next_version
from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import List
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.shapes import members, token_member
from sagewright.kernel.writing import change, insert, new_resource, once, tag_mapping
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, not_available, validation

_POLICY = "ResourcePolicy"


class ModelPackages:
    """Operations on ModelPackage and on ModelPackageGroup's policy."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store = engine.catalog, engine.store
        self._kind, self._group = engine.catalog["ModelPackage"], engine.catalog["ModelPackageGroup"]
        self._token = token_member(engine.model.input("CreateModelPackage"))
        self._described = engine.catalog.projection(self._kind, "DescribeModelPackage")
        summaries = members(engine.model.output("BatchDescribeModelPackage"))["ModelPackageSummaries"]
        self._summary = engine.catalog.projections.of(summaries.value)
        filters = {"ModelPackageType": _of_type}
        self._list = List(engine.catalog, engine.store, self._kind, "ListModelPackages", engine.tokens, filters)

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "BatchDescribeModelPackage": self.describe_many,
            "UpdateModelPackage": self.update,
            "ListModelPackages": self.list,
            "PutModelPackageGroupPolicy": self.put_policy,
            "GetModelPackageGroupPolicy": self.get_policy,
            "DeleteModelPackageGroupPolicy": self.delete_policy,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """In a group: the next version. By name: unversioned, and only once."""
        if "ModelPackageName" in request and "ModelPackageGroupName" in request:
            raise validation("Both ModelPackageName and ModelPackageGroupName are provided. Only one of them can be provided.")
        if "ModelPackageName" not in request and "ModelPackageGroupName" not in request:
            raise validation("Either ModelPackageName or ModelPackageGroupName must be provided.")
        if "ValidationSpecification" in request:
            raise not_available("CreateModelPackage with ValidationSpecification")
        tags = tag_mapping(request.get("Tags"))

        def work(transaction: Transaction) -> Document:
            token = request.get(self._token)
            make = lambda: self._insert(transaction, context, request, tags)  # noqa: E731
            return once(transaction, context, "CreateModelPackage", token, request, make)

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """By ARN, or by name for an unversioned package."""
        row = await self._store.read(lambda transaction: self._catalog.find(transaction, context.world, self._kind, request))
        answer: Document = self._described(self._catalog.document(self._kind, row))
        return answer

    async def describe_many(self, context: Context, request: Document) -> Document:
        """What cannot be found is reported in the answer, not as an error."""
        found: dict[str, Document] = {}
        failed: dict[str, Document] = {}

        def work(transaction: Transaction) -> None:
            for arn in request["ModelPackageArnList"]:
                try:
                    row = self._catalog.named(transaction, context.world, self._kind, arn)
                    found[arn] = self._summary(self._catalog.document(self._kind, row))
                except Fault as fault:
                    failed[arn] = {"ErrorCode": fault.code, "ErrorResponse": fault.message}

        await self._store.read(work)
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": failed}

    async def update(self, context: Context, request: Document) -> Document:
        """Approval, metadata, further inference specifications; DOC: additions are appended."""

        def work(transaction: Transaction) -> Document:
            row = self._catalog.named(transaction, context.world, self._kind, request["ModelPackageArn"])
            change(transaction, context, self._kind, row, _amended(row, request))
            return {"ModelPackageArn": row.arn}

        return await self._store.write(work)

    async def list(self, context: Context, request: Document) -> Document:
        """DOC: only unversioned packages without a type; SDK and console list a group's versions by naming just the group."""
        if "ModelPackageType" not in request:
            default = "Versioned" if "ModelPackageGroupName" in request else "Unversioned"
            request = {**request, "ModelPackageType": default}
        return await self._list(context, request)

    async def put_policy(self, context: Context, request: Document) -> Document:
        """Keeps the policy with the group; nothing enforces it, because everything here is one account's."""

        def work(transaction: Transaction) -> Document:
            row = self._policy_group(transaction, context, request)
            change(transaction, context, self._group, row, dict(row.spec), ResourcePolicy=request["ResourcePolicy"])
            return {"ModelPackageGroupArn": row.arn}

        return await self._store.write(work)

    async def get_policy(self, context: Context, request: Document) -> Document:
        """TF: the two absences differ in their wording."""
        row = await self._store.read(lambda transaction: self._policy_group(transaction, context, request))
        if not row.status.get(_POLICY):
            raise _no_policy(row)
        return {"ResourcePolicy": row.status[_POLICY]}

    async def delete_policy(self, context: Context, request: Document) -> Document:
        """Raises Fault when there is none."""

        def work(transaction: Transaction) -> Document:
            row = self._policy_group(transaction, context, request)
            if not row.status.get(_POLICY):
                raise _no_policy(row)
            change(transaction, context, self._group, row, dict(row.spec), ResourcePolicy=None)
            return {}

        return await self._store.write(work)

    def _insert(self, transaction: Transaction, context: Context, request: Document, tags: dict[str, str]) -> Document:
        spec = {member: value for member, value in request.items() if member not in ("Tags", self._token)}
        status: dict[str, Any] = {"ModelPackageStatusDetails": {"ValidationStatuses": []}}
        if "ModelPackageGroupName" in spec:
            group = self._catalog.named(transaction, context.world, self._group, spec["ModelPackageGroupName"])
            number = next_version(transaction, group)
            spec = {"ModelApprovalStatus": "PendingManualApproval", **spec, "ModelPackageGroupName": group.name}
            status |= {"ModelPackageVersion": number, "ModelPackageName": group.name}
        row = new_resource(context, self._kind, spec, **status)
        if "ModelPackageVersion" in status:
            key = f"{spec['ModelPackageGroupName']}/{status['ModelPackageVersion']}"
            row = replace(row, key=key, arn=self._kind.arn_of(row.world, key))
        return {"ModelPackageArn": insert(transaction, self._catalog, row, tags).arn}

    def _policy_group(self, transaction: Transaction, context: Context, request: Mapping[str, Any]) -> Resource:
        try:
            return self._catalog.find(transaction, context.world, self._group, request)
        except Fault:
            raise validation(f"Cannot find Model Package Group: {request['ModelPackageGroupName']}") from None


def _amended(row: Resource, request: Document) -> Document:
    special = {
        "ModelPackageArn",
        "ClientToken",
        "CustomerMetadataProperties",
        "CustomerMetadataPropertiesToRemove",
        "AdditionalInferenceSpecificationsToAdd",
    }
    spec = {**row.spec, **{member: value for member, value in request.items() if member not in special}}
    gone = set(request.get("CustomerMetadataPropertiesToRemove", ()))
    metadata = {**spec.get("CustomerMetadataProperties", {}), **request.get("CustomerMetadataProperties", {})}
    if metadata or gone:
        spec["CustomerMetadataProperties"] = {key: value for key, value in metadata.items() if key not in gone}
    added = request.get("AdditionalInferenceSpecificationsToAdd", [])
    if added:
        spec["AdditionalInferenceSpecifications"] = [*spec.get("AdditionalInferenceSpecifications", []), *added]
    return spec


def _of_type(document: Document, wanted: Any) -> bool:
    return bool(wanted == "Both") or ("ModelPackageVersion" in document) == (wanted == "Versioned")


def _no_policy(row: Resource) -> Fault:
    return validation(f"Cannot find resource policy for: {row.arn}")
