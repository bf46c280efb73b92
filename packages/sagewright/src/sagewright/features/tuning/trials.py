"""The rows of trials: written before anything is made of them, and kept at hand, because only this process writes them."""

from __future__ import annotations

from dataclasses import replace

from sagewright.features.tuning import warm_start
from sagewright.features.tuning.trial import KIND, Trial, row_key
from sagewright.features.tuning.warm_start import Prior
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource

PAGE = 1000
_Key = tuple[Identity, float]


class Trials:
    """By tuning job. A job that has the name of a deleted one is another: its creation time says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[_Key, dict[int, Trial]] = {}
        self._priors: dict[_Key, Prior] = {}

    async def of(self, job: Resource) -> tuple[Trial, ...]:
        """In the order of their numbers."""
        known = self._known.get(_key(job))
        if known is None:
            read = await self._store.read(lambda transaction: read_trials(transaction, job))
            known = self._known[_key(job)] = {trial.number: trial for trial in read}
        return tuple(known[number] for number in sorted(known))

    async def write(self, job: Resource, trial: Trial) -> None:
        """A new trial; what is there already stays."""

        def work(transaction: Transaction) -> None:
            if transaction.resources.get(job.world, KIND, row_key(job, trial.number)) is None:
                transaction.resources.insert(trial.row(job))

        if trial.number not in self._known.get(_key(job), {}):
            await self._store.write(work)
            self._keep(job, trial)

    async def settle(self, job: Resource, trial: Trial) -> None:
        """How it has ended."""
        await self._save(job, trial)

    async def refuse(self, job: Resource, trial: Trial, refusal: str) -> None:
        """Its training job cannot be made."""
        await self._save(job, replace(trial, refusal=refusal))

    async def drop(self, job: Resource, trial: Trial) -> None:
        """It never began."""

        def work(transaction: Transaction) -> None:
            row = transaction.resources.get(job.world, KIND, row_key(job, trial.number))
            if row is not None:
                transaction.resources.delete(row)

        await self._store.write(work)
        self._known.get(_key(job), {}).pop(trial.number, None)

    async def prior(self, job: Resource) -> Prior | None:
        """What the parents have found; empty without parents, None before it was copied."""
        if not warm_start.parents(job.spec):
            return Prior()
        if _key(job) not in self._priors:
            row = await self._store.read(lambda transaction: transaction.resources.get(job.world, warm_start.KIND, job.key))
            if row is None:
                return None
            self._priors[_key(job)] = Prior.of(row)
        return self._priors[_key(job)]

    async def inherit(self, job: Resource) -> None:
        """Copies what the parents have found into a row of the job's own. Parents that are gone by now have found nothing."""

        def work(transaction: Transaction) -> None:
            if transaction.resources.get(job.world, warm_start.KIND, job.key) is not None:
                return
            found = []
            for name in warm_start.parents(job.spec):
                parent = transaction.resources.get(job.world, job.kind, name)
                if parent is not None:
                    inherited = transaction.resources.get(job.world, warm_start.KIND, name)
                    older = Prior() if inherited is None else Prior.of(inherited)
                    found.append((parent, read_trials(transaction, parent), older))
            prior = warm_start.gather({**job.spec, **job.status}, found)
            row = Resource(job.world, warm_start.KIND, job.key, parent=job.key, status=prior.document(), created=job.created)
            transaction.resources.insert(row)

        await self._store.write(work)

    def forget(self, job: Resource) -> tuple[Trial, ...]:
        """Of a job that has ended: what was at hand."""
        self._priors.pop(_key(job), None)
        return tuple(self._known.pop(_key(job), {}).values())

    def reset(self) -> None:
        """Rows were deleted behind our back (test hooks)."""
        self._known.clear()
        self._priors.clear()

    async def _save(self, job: Resource, trial: Trial) -> None:
        def work(transaction: Transaction) -> None:
            row = transaction.resources.get(job.world, KIND, row_key(job, trial.number))
            if row is not None:
                transaction.resources.save(replace(row, status=trial.document()))

        await self._store.write(work)
        self._keep(job, trial)

    def _keep(self, job: Resource, trial: Trial) -> None:
        if _key(job) in self._known:
            self._known[_key(job)][trial.number] = trial


def read_trials(transaction: Transaction, job: Resource) -> tuple[Trial, ...]:
    """All of a job, in the order of their numbers."""
    return tuple(sorted((Trial.of(row) for row in _rows(transaction, job, KIND)), key=lambda trial: trial.number))


def remove_rows(transaction: Transaction, job: Resource) -> None:
    """Everything that a tuning job has beside its own row."""
    for kind in (KIND, warm_start.KIND):
        for row in _rows(transaction, job, kind):
            transaction.resources.delete(row)


def _rows(transaction: Transaction, job: Resource, kind: str) -> list[Resource]:
    found: list[Resource] = []
    after: tuple[float, str] | None = None
    while True:
        page = transaction.resources.query(job.world, kind, parent=job.key, order="created", after=after, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
        after = (page[-1].created, page[-1].key)


def _key(job: Resource) -> _Key:
    return job.identity, job.created
