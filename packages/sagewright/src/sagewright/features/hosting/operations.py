"""The operations of endpoints that do not follow from the service model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.hosting import serverless
from sagewright.features.hosting.deployment import Deployment
from sagewright.features.hosting.rules import QUOTA, check_deployment, over_quota
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Kind
from sagewright.kernel.operation import Context
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

RETAINED = {"DesiredInstanceCount", "DesiredWeight"}


class EndpointOperations:
    """UpdateEndpoint, UpdateEndpointWeightsAndCapacities and DeleteEndpoint: they record what is wanted, the controller acts."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store

    async def update(self, context: Context, request: Document) -> Document:
        """UpdateEndpoint: the configuration becomes the target of a blue/green deployment, all at once."""
        check_deployment(request)
        return await self._change(context, request, lambda transaction, row: self._updated(transaction, row, request))

    async def resize(self, context: Context, request: Document) -> Document:
        """UpdateEndpointWeightsAndCapacities."""
        return await self._change(context, request, lambda _, row: self._resized(row, request))

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteEndpoint: the row stays until its containers have ended."""

        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state in ("Creating", "Updating"):
                raise in_progress(row)
            return transaction.resources.save(replace(row, state="Deleting", modified=context.now, due=context.now))

        await self._store.write(work)
        return {}

    async def _change(
        self, context: Context, request: Document, changed: Callable[[Transaction, Resource], Document]
    ) -> Document:
        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state != "InService":
                raise in_progress(row)
            spec = changed(transaction, row)
            # The controller drops the reason of an earlier failure only when this change has succeeded.
            return transaction.resources.save(replace(row, spec=spec, state="Updating", modified=context.now, due=context.now))

        return {"EndpointArn": (await self._store.write(work)).arn}

    def _updated(self, transaction: Transaction, row: Resource, request: Document) -> Document:
        config = self._catalog.named(transaction, row.world, self._catalog["EndpointConfig"], request["EndpointConfigName"])
        desired = _retained(row, request) if request.get("RetainAllVariantProperties") else {}
        active = Deployment.of(row.status).active
        serverless.check_successor(active.variants if active else (), config.spec["ProductionVariants"])
        spec = {name: value for name, value in row.spec.items() if name not in ("Desired", "DeploymentConfig")}
        spec |= {"EndpointConfigName": config.key, "Generation": row.spec.get("Generation", 1) + 1, "Desired": desired}
        if "DeploymentConfig" in request:
            spec["DeploymentConfig"] = request["DeploymentConfig"]
        return spec

    def _resized(self, row: Resource, request: Document) -> Document:
        active = Deployment.of(row.status).active
        desired = {name: dict(wish) for name, wish in row.spec.get("Desired", {}).items()}
        for asked in request["DesiredWeightsAndCapacities"]:
            name = asked["VariantName"]
            if active is None or active.variant(name) is None:
                raise validation(f'Could not find variant "{name}" of endpoint "{row.arn}".')
            variant = active.variant(name)
            if "ServerlessUpdateConfig" in asked and variant is not None:
                changed = serverless.check_update(variant, row.arn, asked, desired.get(name, {}))
                desired[name] = {**desired.get(name, {}), "Serverless": changed}
            _check_count(asked.get("DesiredInstanceCount", 1), 0 if active.asynchronous else 1)
            wish = {member: asked[member] for member in RETAINED if member in asked}
            desired[name] = {**desired.get(name, {}), **wish}
        return {**row.spec, "Desired": desired}

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        return self._catalog.find(transaction, context.world, self._kind, request)

    @property
    def _kind(self) -> Kind:
        return self._catalog["Endpoint"]


def _check_count(count: int, least: int) -> None:
    """DG endpoint-auto-scaling: a variant may have no instance only where requests can wait for one."""
    if count < least:
        raise validation("DesiredInstanceCount must be at least 1.")
    if count > QUOTA:
        raise Fault("ResourceLimitExceeded", over_quota(count, ""))


def in_progress(row: Resource) -> Fault:
    """ACK retries on this wording."""
    if row.state == "Failed":
        return validation(f'Cannot update endpoint "{row.arn}" in status Failed; delete it and create it again.')
    return validation(f'Cannot update in-progress endpoint "{row.arn}".')


def _retained(row: Resource, request: Mapping[str, Any]) -> Document:
    """API UpdateEndpoint, RetainAllVariantProperties: weights and counts stay those of the running variants of the same name."""
    dropped = {entry["VariantPropertyType"] for entry in request.get("ExcludeRetainedVariantProperties", ())}
    active = Deployment.of(row.status).active
    kept = RETAINED - dropped
    found: Document = {}
    for variant in active.variants if active else ():
        if variant.serverless:
            continue
        properties = {"DesiredInstanceCount": len(variant.slots), "DesiredWeight": variant.weight}
        found[variant.name] = {name: value for name, value in properties.items() if name in kept}
    return found
