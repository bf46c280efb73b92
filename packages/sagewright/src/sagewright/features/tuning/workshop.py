"""Training jobs of trials: made, looked at and stopped through the public API, in the name of their role."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sagewright.features.tuning import algorithms
from sagewright.features.tuning.child import Parentage, caller, request
from sagewright.features.tuning.settings import Definition, Settings
from sagewright.features.tuning.trial import Child, Trial
from sagewright.kernel.client import PASSING, Client, looked_up
from sagewright.kernel.controller import Later
from sagewright.signals import metrics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Identity, Resource
from sagewright.wire.errors import Fault

SERVICE, CHILD_KIND = "sagemaker", "TrainingJob"
NAMESPACE = "/aws/sagemaker/TrainingJobs"
"""Of the metrics of training jobs (DG training-metrics)."""
RETRY_SECONDS = 2.0


class Workshop:
    """``told`` makes the loop look at a tuning job; a training job that changes tells its own."""

    def __init__(self, store: Store, client: Client, parentage: Parentage, told: Callable[[Identity], None]) -> None:
        self._store = store
        self._client = client
        self._parentage = parentage
        self._told = told
        self._whose: dict[Identity, Identity] = {}
        self._curves: dict[Identity, tuple[float, ...]] = {}
        self._unlisten = store.listen(self._on_change)

    def now(self) -> float:
        """Epoch seconds."""
        return self._store.clock.now()

    async def look(self, job: Resource, definition: Definition, trial: Trial) -> Child | None:
        """None when it is not there."""
        self._whose[_identity(job, trial)] = job.identity
        describing = self._call(job, definition, "Describe", {"TrainingJobName": trial.name})
        found = await looked_up(describing, RETRY_SECONDS)
        return None if found is None else Child.of(found, definition.objective.metric)

    async def make(self, job: Resource, definition: Definition, trial: Trial) -> str:
        """Returns why it cannot be made, or "". Raises Later when that may pass."""
        tags = await self._store.read(lambda transaction: transaction.tags.get(job.arn))
        wanted = request(definition, trial, tags, algorithms.is_built_in(definition.document))
        self._whose[_identity(job, trial)] = job.identity
        self._parentage.expect(job.world, trial.name, job.arn)
        try:
            await self._call(job, definition, "Create", wanted)
        except Fault as fault:
            if fault.status >= PASSING:
                raise Later(RETRY_SECONDS, str(fault)) from fault
            if fault.code == "ResourceInUse":
                return ""
            if fault.code == "ResourceLimitExceeded" and self._others(job, trial):
                raise Later(RETRY_SECONDS, str(fault)) from fault
            return f"ClientError: {fault.message}"
        finally:
            self._parentage.forget(job.world, trial.name)
        return ""

    async def stop(self, job: Resource, definition: Definition, trial: Trial) -> None:
        """One that has ended meanwhile needs no stopping."""
        try:
            await self._call(job, definition, "Stop", {"TrainingJobName": trial.name})
        except Fault as fault:
            if fault.status >= PASSING:
                raise Later(RETRY_SECONDS, str(fault)) from fault

    async def curves(self, job: Resource, settings: Settings, trials: Sequence[Trial]) -> dict[int, tuple[float, ...]]:
        """What each has printed of its objective, oldest first. What has ended prints no more and is read once."""

        def work(transaction: Transaction) -> dict[int, tuple[float, ...]]:
            return {
                trial.number: metrics.values(
                    transaction,
                    job.world,
                    NAMESPACE,
                    settings.definition(trial.definition).objective.metric,
                    {"TrainingJobName": trial.name},
                )
                for trial in trials
                if _identity(job, trial) not in self._curves
            }

        read = await self._store.read(work)
        for trial in trials:
            if trial.ended and trial.number in read:
                self._curves[_identity(job, trial)] = read[trial.number]
        return {trial.number: read.get(trial.number) or self._curves.get(_identity(job, trial), ()) for trial in trials}

    def leave(self, job: Resource, trial: Trial) -> None:
        """Its changes are of no interest any more."""
        self._whose.pop(_identity(job, trial), None)

    def forget(self, job: Resource, trials: Sequence[Trial]) -> None:
        """The tuning job has ended."""
        for trial in trials:
            self.leave(job, trial)
            self._curves.pop(_identity(job, trial), None)

    def reset(self) -> None:
        """Every job is gone (test hooks)."""
        self._whose.clear()
        self._curves.clear()

    def close(self) -> None:
        """Listens no more."""
        self._unlisten()

    def _others(self, job: Resource, trial: Trial) -> bool:
        """Whether further training jobs of the tuning job take part of a quota; when they have ended there is more of it."""
        return any(whose == job.identity and child != _identity(job, trial) for child, whose in self._whose.items())

    def _on_change(self, identity: Identity) -> None:
        whose = self._whose.get(identity)
        if whose is not None:
            self._told(whose)

    async def _call(self, job: Resource, definition: Definition, verb: str, document: Document) -> Document:
        return await self._client.call(caller(job, definition), SERVICE, f"{verb}{CHILD_KIND}", document)


def _identity(job: Resource, trial: Trial) -> Identity:
    return job.world, CHILD_KIND, trial.name
