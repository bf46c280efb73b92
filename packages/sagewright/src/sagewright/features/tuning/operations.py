"""The operations on tuning jobs that do not follow from the service model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sagewright.features.tuning import progress, warm_start
from sagewright.features.tuning.controller import KIND
from sagewright.features.tuning.defaults import completed
from sagewright.features.tuning.rules import MOST_RANDOM_TRIALS, MOST_TRIALS, check
from sagewright.features.tuning.settings import Settings
from sagewright.features.tuning.summary import summary
from sagewright.features.tuning.trial import Child, Trial
from sagewright.features.tuning.trials import read_trials, remove_rows
from sagewright.features.tuning.workshop import CHILD_KIND, SERVICE
from sagewright.jobs.endings import Endings
from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import page_limit
from sagewright.kernel.operation import Context, Handler, Operations
from sagewright.kernel.paging import Position, window
from sagewright.kernel.writing import remove
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation

LIST = "ListTrainingJobsForHyperParameterTuningJob"
OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"


@dataclass(frozen=True, slots=True)
class TuningOperations:
    """``create_derived`` writes the row."""

    engine: Engine
    create_derived: Handler

    @classmethod
    def install(cls, engine: Engine, operations: Operations) -> None:
        """Registers the handlers over the derived ones."""
        made = cls(engine, operations.derived(SERVICE, f"Create{KIND}"))
        operations.write(SERVICE, f"Create{KIND}", made.create)
        operations.write(SERVICE, f"Stop{KIND}", Endings(engine, KIND, progress.TERMINAL).stop)
        operations.write(SERVICE, f"Delete{KIND}", made.delete)
        operations.write(SERVICE, LIST, made.list_training_jobs)

    async def create(self, context: Context, request: Document) -> Document:
        """What is wrong with the request itself is said first, then what with its parents."""
        check(context, request)
        if "WarmStartConfig" in request:
            await self.engine.store.read(lambda transaction: self._check_parents(transaction, context, request))
        return await self.create_derived(context, request)

    async def delete(self, context: Context, request: Document) -> Document:
        """API DeleteHyperParameterTuningJob: its training jobs stay."""

        def work(transaction: Transaction) -> None:
            row = self._row(transaction, context, request)
            if row.state not in progress.TERMINAL:
                raise validation(f"Cannot delete hyper parameter tuning job {row.arn} while it is {row.state}. Stop it first.")
            remove_rows(transaction, row)
            remove(transaction, self.engine.catalog, row)

        await self.engine.store.write(work)
        return {}

    async def list_training_jobs(self, context: Context, request: Document) -> Document:
        """ListTrainingJobsForHyperParameterTuningJob; by the objective's value, jobs that have none are left out."""
        after = self.engine.tokens.read(context.world, LIST, request)
        found = await self.engine.store.read(lambda transaction: self._summaries(transaction, context, request))
        order = request.get("SortBy", "Name")
        wanted = [
            item
            for item in found
            if request.get("StatusEquals") in (None, item["TrainingJobStatus"])
            and (order != "FinalObjectiveMetricValue" or OBJECTIVE in item)
        ]
        page, last = window(
            wanted,
            lambda item: _position(item, order),
            after,
            request.get("SortOrder") == "Descending",
            page_limit(request),
        )
        answer: Document = {"TrainingJobSummaries": page}
        if last is not None:
            answer["NextToken"] = self.engine.tokens.make(context.world, LIST, request, last)
        return answer

    def _row(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        catalog = self.engine.catalog
        return catalog.find(transaction, context.world, catalog[KIND], request)

    def _check_parents(self, transaction: Transaction, context: Context, request: Document) -> None:
        """Raises Fault for the first thing that is wrong."""
        whole, count = {**request, **completed(request)}, 0
        for name in warm_start.parents(request):
            parent = self._row(transaction, context, {"HyperParameterTuningJobName": name})
            for problem in warm_start.problems(whole, parent):
                raise validation(problem)
            count += len(read_trials(transaction, parent))
        config = whole["HyperParameterTuningJobConfig"]
        most = MOST_RANDOM_TRIALS if config["Strategy"] == "Random" else MOST_TRIALS
        if count + config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs", 0) > most:
            raise validation(
                f"The training jobs of the parents, [{count}], and MaxNumberOfTrainingJobs together exceed the limit of {most}."
            )

    def _summaries(self, transaction: Transaction, context: Context, request: Document) -> list[Document]:
        job = self._row(transaction, context, request)
        settings = Settings.of(job)
        return [
            summary(job.key, settings, trial, child)
            for trial, child in self._with_children(transaction, job, settings)
            if trial.ended or child is not None
        ]

    def _with_children(
        self, transaction: Transaction, job: Resource, settings: Settings
    ) -> Iterator[tuple[Trial, Child | None]]:
        """Each trial, and its training job as it is now unless it is known how it ended."""
        catalog = self.engine.catalog
        for trial in read_trials(transaction, job):
            row = None if trial.ended else transaction.resources.get(job.world, CHILD_KIND, trial.name)
            if row is None:
                yield trial, None
            else:
                metric = settings.definition(trial.definition).objective.metric
                yield trial, Child.of(catalog.document(catalog[CHILD_KIND], row), metric)


def _position(item: Document, order: str) -> Position:
    """For paging.window."""
    values = {
        "Name": item["TrainingJobName"],
        "CreationTime": item["CreationTime"],
        "Status": item["TrainingJobStatus"],
        "FinalObjectiveMetricValue": item.get(OBJECTIVE, {}).get("Value"),
    }
    return values[order], item["TrainingJobName"]
