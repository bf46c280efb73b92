"""The operations on inference experiments that do not follow from the service model: they record intent, the controller acts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from sagewright.features.experiments import rules
from sagewright.features.experiments.settings import ENDED, KIND, Settings
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.writing import remove
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

UPDATABLE = ("Schedule", "Description", "ModelVariants", "DataStorageConfig", "ShadowModeConfig")


class ExperimentOperations:
    """Create, Start, Stop, Update and Delete of InferenceExperiment."""

    def __init__(self, catalog: Catalog, store: Store, create_derived: Handler) -> None:
        """``create_derived`` writes the row."""
        self._catalog = catalog
        self._store = store
        self._create_derived = create_derived

    async def create(self, context: Context, request: Document) -> Document:
        """CreateInferenceExperiment: an endpoint that is there must be one that can have a shadow variant."""
        await self._store.read(lambda transaction: self._check_endpoint(transaction, context, request))
        return await self._create_derived(context, request)

    async def start(self, context: Context, request: Document) -> Document:
        """StartInferenceExperiment: before its time (DG shadow-tests-view-monitor-edit-start)."""

        def started(row: Resource) -> Resource:
            schedule = {"StartTime": context.now, "EndTime": Settings.of(row).end}
            return replace(row, spec={**row.spec, "Schedule": schedule}, state="Starting")

        return await self._change(context, request, ("Created",), started)

    async def stop(self, context: Context, request: Document) -> Document:
        """StopInferenceExperiment."""

        def stopped(row: Resource) -> Resource:
            settings = Settings.of(row)
            rules.check_stop(request, settings.source, settings.shadow)
            status = {name: value for name, value in row.status.items() if name != "Asked"}
            return replace(row, spec={**row.spec, "Stop": request}, status=status, state="Stopping")

        return await self._change(context, request, ("Created", "Starting", "Running"), stopped)

    async def update(self, context: Context, request: Document) -> Document:
        """UpdateInferenceExperiment: everything before it begins; afterwards the description, the end and the sampling."""
        given = {member: request[member] for member in UPDATABLE if member in request}

        def updated(row: Resource) -> Resource:
            spec = {**row.spec, **given}
            if "Schedule" in given:
                spec["Schedule"] = {**row.spec.get("Schedule", {}), **given["Schedule"]}
            if row.state == "Created":
                rules.check(context, spec)
                return replace(row, spec=spec, state="Creating")
            return _updated_while_running(context, replace(row, spec=spec), row, given)

        return await self._change(context, request, ("Created", "Running"), updated)

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteInferenceExperiment: its description only; the endpoint stays as it is."""

        def work(transaction: Transaction) -> str:
            row = self._find(transaction, context, request)
            if row.state not in ENDED:
                raise _conflict(row)
            remove(transaction, self._catalog, row)
            return row.arn

        return {"InferenceExperimentArn": await self._store.write(work)}

    async def _change(
        self, context: Context, request: Document, states: Collection[str], changed: Callable[[Resource], Resource]
    ) -> Document:
        def work(transaction: Transaction) -> str:
            row = self._find(transaction, context, request)
            if row.state not in states:
                raise _conflict(row)
            written = replace(changed(row), modified=context.now, due=context.now)
            self._catalog.check_references(transaction, row.world, self._catalog[KIND], dict(written.spec))
            return transaction.resources.save(written).arn

        return {"InferenceExperimentArn": await self._store.write(work)}

    def _check_endpoint(self, transaction: Transaction, context: Context, request: Document) -> None:
        """Raises Fault."""
        endpoint = transaction.resources.get(context.world, "Endpoint", request["EndpointName"])
        name = endpoint and endpoint.status.get("EndpointConfigName", endpoint.spec["EndpointConfigName"])
        config = transaction.resources.get(context.world, "EndpointConfig", name) if name else None
        problem = rules.incompatible(config.spec, request["ShadowModeConfig"]["SourceModelVariantName"]) if config else ""
        for variant in request["ModelVariants"]:
            model = transaction.resources.get(context.world, "Model", variant["ModelName"])
            problem = problem or (rules.incompatible_model(model.spec) if model else "")
        if problem:
            raise validation(problem)

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        return self._catalog.find(transaction, context.world, self._catalog[KIND], request)


def _updated_while_running(context: Context, row: Resource, before: Resource, given: Document) -> Resource:
    """DG shadow-tests-view-monitor-edit-individual. Raises Fault."""
    variants = given.get("ModelVariants", before.spec["ModelVariants"])
    names = (Settings.of(row).source, Settings.of(row).shadow)
    if (
        variants != before.spec["ModelVariants"]
        or "DataStorageConfig" in given
        or not set(names) <= set(Settings.of(row).variants)
    ):
        raise validation(
            "Only the description, the end time and the sampling percentage of a running experiment can be updated."
        )
    if "StartTime" in given.get("Schedule", {}):
        raise validation("The start time of a running inference experiment cannot be updated.")
    rules.check_schedule({**before.status.get("Schedule", {}), **given.get("Schedule", {})}, context.now)
    status = {**row.status, "Schedule": {**row.status.get("Schedule", {}), "EndTime": Settings.of(row).end}}
    return replace(row, status=status, state="Updating" if "ShadowModeConfig" in given else row.state)


def _conflict(row: Resource) -> Fault:
    return Fault("ConflictException", f"The inference experiment {row.arn} is in status {row.state}.")
