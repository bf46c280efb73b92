"""The trials of a tuning job after one look at their training jobs: what has just ended, what is counted, which is the best."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from sagewright.features.tuning.settings import Settings
from sagewright.features.tuning.trial import ENDED, Child, Trial
from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Ledger:
    """``trials`` in the order of their numbers, those whose training job has ended as such; ``settled`` are the ones that have just."""

    trials: tuple[Trial, ...]
    settled: tuple[Trial, ...]
    children: Mapping[int, Child]

    @classmethod
    def of(cls, trials: tuple[Trial, ...], children: Mapping[int, Child]) -> Ledger:
        """``children`` by the number of their trial; a trial that has none was not made yet."""
        settled = {
            trial.number: _settled(trial, children[trial.number])
            for trial in trials
            if not trial.ended and trial.number in children and children[trial.number].status in ENDED
        }
        known = tuple(settled.get(trial.number, trial) for trial in trials)
        return cls(known, tuple(settled.values()), children)

    def without(self, numbers: Set[int]) -> Ledger:
        """Some trials left out."""
        kept = tuple(trial for trial in self.trials if trial.number not in numbers)
        return replace(self, trials=kept)

    @property
    def active(self) -> tuple[Trial, ...]:
        """Those that have not ended."""
        return tuple(trial for trial in self.trials if not trial.ended)

    @property
    def ended(self) -> tuple[Trial, ...]:
        """Those that have, in the order of their numbers."""
        return tuple(trial for trial in self.trials if trial.ended)

    @property
    def told(self) -> tuple[Trial, ...]:
        """Those that have told their objective."""
        return tuple(trial for trial in self.trials if trial.succeeded)

    def room(self, settings: Settings) -> int:
        """How many further combinations may be begun now."""
        return max(0, min(settings.parallel - len(self.active), settings.most - len(self.trials)))

    def best(self, settings: Settings) -> Trial | None:
        """The one with the best objective; of equals the first."""
        objective, found = settings.objective, None
        for trial in self.told:
            assert trial.objective is not None
            if found is None or found.objective is None or objective.better(trial.objective, found.objective):
                found = trial
        return found

    def counters(self) -> dict[str, Document]:
        """TrainingJobStatusCounters and ObjectiveStatusCounters."""
        failed = [trial for trial in self.trials if trial.status == "Failed"]
        retryable = sum(trial.retryable for trial in failed)
        told = len(self.told)
        return {
            "TrainingJobStatusCounters": {
                "Completed": sum(trial.status == "Completed" for trial in self.trials),
                "InProgress": len(self.active),
                "RetryableError": retryable,
                "NonRetryableError": len(failed) - retryable,
                "Stopped": sum(trial.status == "Stopped" for trial in self.trials),
            },
            "ObjectiveStatusCounters": {
                "Succeeded": told,
                "Pending": len(self.active),
                "Failed": len(self.ended) - told,
            },
        }


def _settled(trial: Trial, child: Child) -> Trial:
    return replace(trial, status=child.status, objective=child.objective, failure=child.failure, times=child.times)
