"""Contents of private hubs: imported documents, in versions by number of the form 1.2.3."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sagewright.features.records.versions import children
from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import page_limit
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.paging import window
from sagewright.kernel.shapes import members
from sagewright.kernel.writing import change, insert, new_resource, remove, tag_mapping
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

FIRST_VERSION = "1.0.0"


class HubContents:
    """Operations on HubContent. References to the public hub stay away: their documents are not here."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store, self._tokens = engine.catalog, engine.store, engine.tokens
        self._kind, self._hub = engine.catalog["HubContent"], engine.catalog["Hub"]
        self._described = engine.catalog.projection(self._kind, "DescribeHubContent")
        summaries = members(engine.model.output("ListHubContents"))["HubContentSummaries"]
        self._summary = engine.catalog.projections.of(summaries.member)

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "ImportHubContent": self.create,
            "DescribeHubContent": self.describe,
            "UpdateHubContent": self.update,
            "DeleteHubContent": self.delete,
            "ListHubContents": self.list_latest,
            "ListHubContentVersions": self.versions,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """ImportHubContent: available at once; without a version the next major one after the latest."""
        tags = tag_mapping(request.get("Tags"))

        def work(transaction: Transaction) -> Document:
            hub = self._catalog.find(transaction, context.world, self._hub, request)
            before = self._of_one(transaction, hub, request)
            version = request.get("HubContentVersion") or _next(before)
            spec = {member: value for member, value in request.items() if member != "Tags"}
            spec |= {"HubName": hub.name, "HubContentVersion": version}
            first = min((row.created for row in before), default=context.now)
            extra = {"HubArn": hub.arn, "OriginalCreationTime": first, "SupportStatus": spec.get("SupportStatus", "Supported")}
            row = insert(transaction, self._catalog, new_resource(context, self._kind, spec, **extra), tags)
            return {"HubArn": hub.arn, "HubContentArn": row.arn}

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """The version asked for, else the highest."""
        row = await self._store.read(lambda transaction: self._find(transaction, context, request))
        answer: Document = self._described(self._catalog.document(self._kind, row))
        return answer

    async def update(self, context: Context, request: Document) -> Document:
        """Display name, description, keywords and support status of one version."""

        def work(transaction: Transaction) -> Document:
            row = self._find(transaction, context, request)
            given = {member: value for member, value in request.items() if member not in self._kind.identity}
            status = {"SupportStatus": given["SupportStatus"]} if "SupportStatus" in given else {}
            change(transaction, context, self._kind, row, {**row.spec, **given}, **status)
            return {"HubArn": row.status["HubArn"], "HubContentArn": row.arn}

        return await self._store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """One version."""

        def work(transaction: Transaction) -> Document:
            remove(transaction, self._catalog, self._find(transaction, context, request))
            return {}

        return await self._store.write(work)

    async def list_latest(self, context: Context, request: Document) -> Document:
        """ListHubContents: the highest version of each content."""
        return await self._page(context, "ListHubContents", request, latest=True)

    async def versions(self, context: Context, request: Document) -> Document:
        """ListHubContentVersions: all versions of one content."""
        return await self._page(context, "ListHubContentVersions", request, latest=False)

    async def _page(self, context: Context, operation: str, request: Document, latest: bool) -> Document:
        after = self._tokens.read(context.world, operation, request)
        rows = await self._store.read(lambda transaction: self._listed(transaction, context, request, latest))
        order = request.get("SortBy", "CreationTime")
        descending = request.get("SortOrder", "Descending") == "Descending"
        documents = [self._catalog.document(self._kind, row) for row in rows]
        page, last = window(
            documents,
            lambda document: (document[order], f"{document['HubContentName']}/{document['HubContentVersion']}"),
            after,
            descending,
            page_limit(request),
        )
        answer: Document = {"HubContentSummaries": [self._summary(document) for document in page]}
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, operation, request, last)
        return answer

    def _listed(self, transaction: Transaction, context: Context, request: Document, latest: bool) -> list[Resource]:
        hub = self._catalog.find(transaction, context.world, self._hub, request)
        rows = [row for row in children(transaction, hub, self._kind.name) if _accepted(row, request)]
        if not latest and not rows:
            raise self._catalog.missing(self._kind, context.world, _path(request))
        if latest:
            names = {row.spec["HubContentName"] for row in rows}
            rows = [_highest(row for row in rows if row.spec["HubContentName"] == name) for name in names]
        return rows

    def _of_one(self, transaction: Transaction, hub: Resource, request: Document) -> list[Resource]:
        wanted = request["HubContentType"], request["HubContentName"]
        rows = children(transaction, hub, self._kind.name)
        return [row for row in rows if (row.spec["HubContentType"], row.spec["HubContentName"]) == wanted]

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        hub = self._catalog.find(transaction, context.world, self._hub, request)
        rows = self._of_one(transaction, hub, request)
        if "HubContentVersion" in request:
            rows = [row for row in rows if row.spec["HubContentVersion"] == request["HubContentVersion"]]
        if not rows:
            raise self._catalog.missing(self._kind, context.world, _path(request))
        return _highest(rows)


def _accepted(row: Resource, request: Document) -> bool:
    spec = row.spec
    return (
        spec["HubContentType"] == request["HubContentType"]
        and spec["HubContentName"] == request.get("HubContentName", spec["HubContentName"])
        and request.get("NameContains", "").lower() in spec["HubContentName"].lower()
        and ("MinVersion" not in request or _numbers(spec["HubContentVersion"]) >= _numbers(request["MinVersion"]))
        and (
            "MaxSchemaVersion" not in request
            or _numbers(spec["DocumentSchemaVersion"]) <= _numbers(request["MaxSchemaVersion"])
        )
        and request.get("CreationTimeAfter", row.created) <= row.created
        and ("CreationTimeBefore" not in request or row.created < request["CreationTimeBefore"])
    )


def _highest(rows: Iterable[Resource]) -> Resource:
    return max(rows, key=lambda row: _numbers(row.spec["HubContentVersion"]))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _next(rows: list[Resource]) -> str:
    return f"{_numbers(_highest(rows).spec['HubContentVersion'])[0] + 1}.0.0" if rows else FIRST_VERSION


def _path(request: Document) -> str:
    return "/".join(
        str(request[m]) for m in ("HubName", "HubContentType", "HubContentName", "HubContentVersion") if m in request
    )
