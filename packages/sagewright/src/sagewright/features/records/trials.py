"""Trials, their components, and what ties them together.

A component keeps its trials in its status (``Parents``, which is also what Search shows), so that there is one place to look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import List, page_limit
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.paging import window
from sagewright.kernel.shapes import members
from sagewright.kernel.writing import remove
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation

BATCH = 500


class Trials:
    """Operations that derived verbs cannot do, because trials and components are many to many."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store, self._tokens = engine.catalog, engine.store, engine.tokens
        self._trial, self._component = engine.catalog["Trial"], engine.catalog["TrialComponent"]
        filters = {"TrialName": _in_trial, "ExperimentName": _in_experiment, "SourceArn": _from_source}
        self._components = List(engine.catalog, engine.store, self._component, "ListTrialComponents", engine.tokens, filters)
        self._trials = List(engine.catalog, engine.store, self._trial, "ListTrials", engine.tokens)
        summaries = members(engine.model.output("ListTrials"))["TrialSummaries"]
        self._summary = engine.catalog.projections.of(summaries.member, None, self._trial.aliases)

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "AssociateTrialComponent": self.associate,
            "DisassociateTrialComponent": self.disassociate,
            "ListTrialComponents": self.list_components,
            "ListTrials": self.list_trials,
            "DeleteTrial": self.delete_trial,
            "DeleteTrialComponent": self.delete_component,
        }

    async def associate(self, context: Context, request: Document) -> Document:
        """Associating twice is the same as once."""
        return await self._store.write(lambda transaction: self._tie(transaction, context, request, True))

    async def disassociate(self, context: Context, request: Document) -> Document:
        """Raises ResourceNotFound when either is not there; not being associated is no error."""
        return await self._store.write(lambda transaction: self._tie(transaction, context, request, False))

    async def list_components(self, context: Context, request: Document) -> Document:
        """DOC: SourceArn excludes the other two filters."""
        if "SourceArn" in request and ("ExperimentName" in request or "TrialName" in request):
            raise validation("SourceArn cannot be combined with ExperimentName or TrialName.")
        if "TrialName" in request:
            trial = await self._store.read(
                lambda transaction: self._catalog.find(transaction, context.world, self._trial, request)
            )
            request = {**request, "TrialName": trial.name}
        return await self._components(context, request)

    async def list_trials(self, context: Context, request: Document) -> Document:
        """Of an experiment, of a component, or all."""
        if "TrialComponentName" not in request:
            return await self._trials(context, request)
        after = self._tokens.read(context.world, "ListTrials", request)
        rows = await self._store.read(lambda transaction: self._trials_of(transaction, context, request))
        member = "TrialName" if request.get("SortBy") == "Name" else "CreationTime"
        documents = [self._catalog.document(self._trial, row) for row in rows]
        page, last = window(
            documents,
            lambda document: (document[member], document["TrialName"]),
            after,
            request.get("SortOrder") != "Ascending",
            page_limit(request),
        )
        answer: Document = {"TrialSummaries": [self._summary(document) for document in page]}
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, "ListTrials", request, last)
        return answer

    async def delete_trial(self, context: Context, request: Document) -> Document:
        """DOC: not while it has components."""

        def work(transaction: Transaction) -> Document:
            trial = self._catalog.find(transaction, context.world, self._trial, request)
            for component in self._all_components(transaction, context):
                if trial.name in _trial_names(component):
                    raise validation(f"Trial ({trial.name}) can not be deleted as it is associated with trial components.")
            remove(transaction, self._catalog, trial)
            return {"TrialArn": trial.arn}

        return await self._store.write(work)

    async def delete_component(self, context: Context, request: Document) -> Document:
        """DOC: it must be disassociated from all trials before."""

        def work(transaction: Transaction) -> Document:
            component = self._catalog.find(transaction, context.world, self._component, request)
            if _trial_names(component):
                raise validation(f"Trial Component ({component.name}) can not be deleted as it is associated with trials.")
            remove(transaction, self._catalog, component)
            return {"TrialComponentArn": component.arn}

        return await self._store.write(work)

    def _tie(self, transaction: Transaction, context: Context, request: Document, tied: bool) -> Document:
        trial = self._catalog.find(transaction, context.world, self._trial, request)
        component = self._catalog.find(transaction, context.world, self._component, request)
        others = [parent for parent in component.status.get("Parents", []) if parent["TrialName"] != trial.name]
        own: list[dict[str, Any]] = [{"TrialName": trial.name, "ExperimentName": trial.spec["ExperimentName"]}] if tied else []
        changed = replace(component, status={**component.status, "Parents": [*others, *own]})
        transaction.resources.save(changed)
        return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}

    def _trials_of(self, transaction: Transaction, context: Context, request: Document) -> list[Resource]:
        component = self._catalog.find(transaction, context.world, self._component, request)
        rows = [
            transaction.resources.get(context.world, "Trial", self._trial.key(parent))
            for parent in component.status.get("Parents", [])
        ]
        wanted = request.get("ExperimentName")
        return [
            row for row in rows if row and (wanted is None or row.spec["ExperimentName"] == wanted) and _within(row, request)
        ]

    def _all_components(self, transaction: Transaction, context: Context) -> Iterator[Resource]:
        after: tuple[float, str] | None = None
        while True:
            rows = transaction.resources.query(context.world, self._component.name, after=after, limit=BATCH)
            yield from rows
            if len(rows) < BATCH:
                return
            after = (rows[-1].created, rows[-1].key)


def _within(row: Resource, request: Document) -> bool:
    return row.created >= request.get("CreatedAfter", row.created) and (
        "CreatedBefore" not in request or row.created < request["CreatedBefore"]
    )


def _trial_names(component: Resource) -> list[str]:
    return [parent["TrialName"] for parent in component.status.get("Parents", [])]


def _in_trial(document: Document, name: Any) -> bool:
    return any(parent["TrialName"].lower() == name.lower() for parent in document.get("Parents", []))


def _in_experiment(document: Document, name: Any) -> bool:
    return any(parent["ExperimentName"].lower() == name.lower() for parent in document.get("Parents", []))


def _from_source(document: Document, arn: Any) -> bool:
    return bool(document.get("Source", {}).get("SourceArn") == arn)
