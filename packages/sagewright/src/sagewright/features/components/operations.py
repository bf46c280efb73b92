"""The operations of inference components that do not follow from the service model: they record what is wanted, the controller acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sagewright.features.components.adapter import base_of
from sagewright.features.components.adapters import adapters_of
from sagewright.features.components.rolling import alarms
from sagewright.features.components.rules import (
    check_alarms,
    check_batch,
    check_deployment,
    check_specification,
    check_specifications,
)
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.operation import Context
from sagewright.signals.alarms import AlarmStates
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

KIND = "InferenceComponent"


class ComponentOperations:
    """UpdateInferenceComponent, UpdateInferenceComponentRuntimeConfig and DeleteInferenceComponent."""

    def __init__(self, catalog: Catalog, store: Store, alarm_states: AlarmStates) -> None:
        self._catalog = catalog
        self._alarm_states = alarm_states
        self._store = store

    async def update(self, context: Context, request: Document) -> Document:
        """UpdateInferenceComponent: a new specification comes up beside the old one, which then goes."""
        check_deployment(request)
        config = request.get("DeploymentConfig", {})

        def changed(row: Resource) -> Document:
            spec = {**row.spec, **_specified(row, request)}
            if "RuntimeConfig" in request:
                spec["RuntimeConfig"] = _copies(row, request["RuntimeConfig"])
            check_batch(config, spec.get("RuntimeConfig", {}).get("CopyCount", 1))
            return {**spec, "DeploymentConfig": config} if config else _without_config(spec)

        return await self._change(context, request, changed, alarms(config))

    async def resize(self, context: Context, request: Document) -> Document:
        """UpdateInferenceComponentRuntimeConfig."""
        return await self._change(
            context, request, lambda row: {**row.spec, "RuntimeConfig": _copies(row, request["DesiredRuntimeConfig"])}
        )

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteInferenceComponent: the row stays until its containers have ended."""

        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state == "Deleting":
                raise in_progress(row)
            held = sorted(adapter.name for adapter in adapters_of(transaction, row))
            if held:
                raise validation(
                    f'Cannot delete inference component "{row.arn}" while it is the base of the adapter inference components '
                    f"{', '.join(held[:10])}."
                )
            return transaction.resources.save(replace(row, state="Deleting", modified=context.now, due=context.now))

        await self._store.write(work)
        return {}

    async def _change(
        self, context: Context, request: Document, changed: Callable[[Resource], Document], watched: Sequence[str] = ()
    ) -> Document:
        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if watched:
                check_alarms(watched, self._alarm_states(transaction, row.world, watched))
            if row.state != "InService":
                raise in_progress(row)
            return transaction.resources.save(
                replace(row, spec=changed(row), state="Updating", modified=context.now, due=context.now)
            )

        return {"InferenceComponentArn": (await self._store.write(work)).arn}

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        return self._catalog.find(transaction, context.world, self._catalog[KIND], request)


def _specified(row: Resource, request: Document) -> Document:
    """What the request says anew of what is deployed."""
    given = [name for name in ("Specification", "Specifications") if name in request]
    if not given:
        return {}
    if given != [name for name in ("Specification", "Specifications") if name in row.spec]:
        raise validation("An inference component that was created with Specification, or with Specifications, is updated so.")
    if "Specifications" in request:
        check_specifications(request["Specifications"])
    else:
        check_specification(request["Specification"])
        _check_base(row, request["Specification"])
    return {given[0]: request[given[0]], "Generation": row.spec.get("Generation", 1) + 1}


def _check_base(row: Resource, specification: Document) -> None:
    """What a component is it stays: its base, or that it has none. The words are ours."""
    if specification.get("BaseInferenceComponentName", "") != base_of(row):
        raise validation(f'The base inference component of "{row.arn}" cannot be changed.')


def _without_config(spec: Document) -> Document:
    """Of an update that takes all copies at once."""
    return {name: value for name, value in spec.items() if name != "DeploymentConfig"}


def _copies(row: Resource, config: Document) -> Document:
    if base_of(row):
        raise validation(f'Inference component "{row.arn}" is an adapter: it has no copies of its own.')
    return config


def in_progress(row: Resource) -> Fault:
    """In the words that AWS has for endpoints."""
    if row.state == "Failed":
        return validation(f'Cannot update inference component "{row.arn}" in status Failed; delete it and create it again.')
    return validation(f'Cannot update in-progress inference component "{row.arn}".')
