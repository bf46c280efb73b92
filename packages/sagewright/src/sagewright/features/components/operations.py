"""The operations of inference components that do not follow from the service model: they record what is wanted, the controller acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagewright.features.components.rules import check_deployment, check_specification
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.operation import Context
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

KIND = "InferenceComponent"


class ComponentOperations:
    """UpdateInferenceComponent, UpdateInferenceComponentRuntimeConfig and DeleteInferenceComponent."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store

    async def update(self, context: Context, request: Document) -> Document:
        """UpdateInferenceComponent: a new specification comes up beside the old one, which then goes."""
        check_deployment(request)
        if "Specifications" in request:
            raise validation("Specifications cannot be given for an inference component with one specification.")

        def changed(row: Resource) -> Document:
            spec = dict(row.spec)
            if "Specification" in request:
                check_specification(request["Specification"])
                spec |= {"Specification": request["Specification"], "Generation": spec.get("Generation", 1) + 1}
            return {**spec, "RuntimeConfig": request.get("RuntimeConfig", spec["RuntimeConfig"])}

        return await self._change(context, request, changed)

    async def resize(self, context: Context, request: Document) -> Document:
        """UpdateInferenceComponentRuntimeConfig."""
        return await self._change(context, request, lambda row: {**row.spec, "RuntimeConfig": request["DesiredRuntimeConfig"]})

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteInferenceComponent: the row stays until its containers have ended."""

        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state == "Deleting":
                raise in_progress(row)
            return transaction.resources.save(replace(row, state="Deleting", modified=context.now, due=context.now))

        await self._store.write(work)
        return {}

    async def _change(self, context: Context, request: Document, changed: Callable[[Resource], Document]) -> Document:
        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state != "InService":
                raise in_progress(row)
            return transaction.resources.save(
                replace(row, spec=changed(row), state="Updating", modified=context.now, due=context.now)
            )

        return {"InferenceComponentArn": (await self._store.write(work)).arn}

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        return self._catalog.find(transaction, context.world, self._catalog[KIND], request)


def in_progress(row: Resource) -> Fault:
    """In the words that AWS has for endpoints."""
    if row.state == "Failed":
        return validation(f'Cannot update inference component "{row.arn}" in status Failed; delete it and create it again.')
    return validation(f'Cannot update in-progress inference component "{row.arn}".')
