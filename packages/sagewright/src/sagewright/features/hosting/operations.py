"""The operations of endpoints that do not follow from the service model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.hosting import serverless
from sagewright.features.hosting.capture import retained_capture
from sagewright.features.hosting.deployment import Deployment
from sagewright.features.hosting.deployment_rules import check_alarms, check_deployment, check_sizes
from sagewright.features.hosting.plan import IN_PROGRESS
from sagewright.features.hosting.policy import Policy
from sagewright.features.hosting.rules import QUOTA, over_quota
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Kind
from sagewright.kernel.operation import Context
from sagewright.serving.hosts import is_host
from sagewright.signals.alarms import AlarmStates
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

RETAINED = {"DesiredInstanceCount", "DesiredWeight"}
UPDATABLE = ("InService", "UpdateRollbackFailed")
"""A deployment that could neither go on nor back is ended by the next one."""


class EndpointOperations:
    """UpdateEndpoint, UpdateEndpointWeightsAndCapacities and DeleteEndpoint: they record what is wanted, the controller acts."""

    def __init__(self, catalog: Catalog, store: Store, alarms: AlarmStates) -> None:
        self._catalog = catalog
        self._store = store
        self._alarms = alarms

    async def update(self, context: Context, request: Document) -> Document:
        """UpdateEndpoint: the configuration becomes the target of a deployment."""
        check_deployment(request)
        return await self._change(
            context, request, lambda transaction, row: self._updated(transaction, row, request), UPDATABLE
        )

    async def resize(self, context: Context, request: Document) -> Document:
        """UpdateEndpointWeightsAndCapacities."""
        return await self._change(context, request, lambda _, row: self._resized(row, request), ("InService",))

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteEndpoint: the row stays until its containers have ended."""

        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state in IN_PROGRESS:
                raise in_progress(row)
            _refuse_while_hosting(transaction, row)
            return transaction.resources.save(replace(row, state="Deleting", modified=context.now, due=context.now))

        await self._store.write(work)
        return {}

    async def _change(
        self,
        context: Context,
        request: Document,
        changed: Callable[[Transaction, Resource], Document],
        states: Collection[str],
    ) -> Document:
        def work(transaction: Transaction) -> Resource:
            row = self._find(transaction, context, request)
            if row.state not in states:
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
        spec = {name: value for name, value in row.spec.items() if name not in ("Desired", "DeploymentConfig", "Capture")}
        spec |= retained_capture(active, request)
        spec |= {"EndpointConfigName": config.key, "Generation": row.spec.get("Generation", 1) + 1, "Desired": desired}
        # What is given wins over what is kept: AWS does not say what it does with both.
        kept = row.spec.get("DeploymentConfig", {}) if request.get("RetainDeploymentConfig") else {}
        deployment = request.get("DeploymentConfig", kept)
        if deployment:
            self._check_deployable(transaction, row, config, desired, deployment)
            spec["DeploymentConfig"] = deployment
        return spec

    def _check_deployable(
        self, transaction: Transaction, row: Resource, config: Resource, desired: Document, deployment: Document
    ) -> None:
        """Raises Fault for what only the new configuration and the alarms tell."""
        counts = {
            variant["VariantName"]: variant.get("InitialInstanceCount", 1) for variant in config.spec["ProductionVariants"]
        }
        kept = {name: wish["DesiredInstanceCount"] for name, wish in desired.items() if "DesiredInstanceCount" in wish}
        check_sizes(deployment, {**counts, **{name: count for name, count in kept.items() if name in counts}})
        names = Policy.of(deployment).alarms
        check_alarms(deployment, self._alarms(transaction, row.world, names) if names else {})

    def _resized(self, row: Resource, request: Document) -> Document:
        active = Deployment.of(row.status).active
        desired: Document = {}  # what was asked for before is what runs
        for asked in request["DesiredWeightsAndCapacities"]:
            name = asked["VariantName"]
            known = active.variant(name) if active is not None else None
            if active is None or known is None:
                raise validation(f'Could not find variant "{name}" of endpoint "{row.arn}".')
            if "DesiredInstanceCount" in asked and known.managed is not None:
                raise validation(f'The instances of variant "{name}" are managed: DesiredInstanceCount cannot be set.')
            if "ServerlessUpdateConfig" in asked:
                changed = serverless.check_update(known, row.arn, asked, desired.get(name, {}))
                desired[name] = {**desired.get(name, {}), "Serverless": changed}
            may_be_empty = active.asynchronous or is_host(known.container)
            _check_count(asked.get("DesiredInstanceCount", 1), 0 if may_be_empty else 1)
            wish = {member: asked[member] for member in RETAINED if member in asked}
            desired[name] = {**desired.get(name, {}), **wish}
        return {**row.spec, "Desired": desired, "Wish": row.spec.get("Wish", 0) + 1}

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        return self._catalog.find(transaction, context.world, self._kind, request)

    @property
    def _kind(self) -> Kind:
        return self._catalog["Endpoint"]


def _refuse_while_hosting(transaction: Transaction, row: Resource) -> None:
    """DOC (DeleteInferenceComponent): components go before their endpoint. The words are not published."""
    components = transaction.resources.query(row.world, "InferenceComponent", limit=1000)
    held = [component.name for component in components if component.spec["EndpointName"] == row.key]
    if held:
        raise validation(f'Cannot delete endpoint "{row.arn}" while it hosts inference components: {", ".join(held[:10])}.')


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
    for variant in active.everything if active else ():
        if variant.serverless:
            continue
        properties = {"DesiredInstanceCount": len(variant.slots), "DesiredWeight": variant.weight}
        found[variant.name] = {name: value for name, value in properties.items() if name in kept}
    return found
