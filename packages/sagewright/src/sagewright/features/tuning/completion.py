"""When a tuning job is over, and as what. Pure (API TuningJobCompletionCriteria, DG automatic-model-tuning-progress)."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.settings import Settings

IMPROVEMENT = 0.01
"""API BestObjectiveNotImproving: better by 1 % or more."""
HOPELESS = 5
"""So many training jobs without a single objective end a tuning job (the number in AWS's messages)."""
CONVERGED_TRIALS = 10
CONVERGED_FOR_EACH = 4
"""Converged: the last so many trials, or this many for each hyperparameter, have not improved the best. AWS's criterion is its own."""

NONE_SUCCEEDED = (
    "No training job succeeded after {} attempts. Please take a look at the training job failures to get more details."
)
NO_OBJECTIVE = (
    "No objective metrics found after running {} training jobs. Please ensure that the custom algorithm is emitting the objective "
    "metric as defined by the regular expression provided."
)


@dataclass(frozen=True, slots=True)
class Ending:
    """The last status of a tuning job, known before its training jobs have ended, and why."""

    state: str
    reason: str = ""


def ending(settings: Settings, ledger: Ledger, runtime: float) -> Ending | None:
    """How it ends, if it is to. ``runtime`` in seconds since its creation."""
    refused = next((trial.refusal for trial in ledger.trials if trial.refusal), "")
    if refused:
        return Ending("Failed", refused)
    exhausted = not ledger.active and len(ledger.trials) >= settings.most
    if not ledger.told and (exhausted or len(ledger.ended) >= HOPELESS) and ledger.ended:
        return Ending("Failed", _why(ledger))
    if exhausted or runtime >= settings.seconds or _criteria(settings, ledger):
        return Ending("Completed")
    return None


def not_improving(settings: Settings, ledger: Ledger) -> int:
    """How many training jobs in a row have not improved the best objective by 1 % or more."""
    best: float | None = None
    count = 0
    for trial in ledger.told:
        assert trial.objective is not None
        if best is None or _improves(settings, trial.objective, best):
            best, count = trial.objective, 0
        else:
            count += 1
    return count


def converged(settings: Settings, ledger: Ledger) -> bool:
    """See CONVERGED_TRIALS."""
    tunable = max(len(item.space.ranges) for item in settings.definitions)
    return not_improving(settings, ledger) >= max(CONVERGED_TRIALS, CONVERGED_FOR_EACH * tunable)


def _criteria(settings: Settings, ledger: Ledger) -> bool:
    best = ledger.best(settings)
    if best is None or best.objective is None:
        return False
    if settings.target is not None and not settings.objective.better(settings.target, best.objective):
        return True
    if settings.patience and not_improving(settings, ledger) >= settings.patience:
        return True
    return settings.converges and converged(settings, ledger)


def _improves(settings: Settings, value: float, best: float) -> bool:
    gain = value - best if settings.objective.direction == "Maximize" else best - value
    return gain > 0 and gain >= IMPROVEMENT * abs(best)


def _why(ledger: Ledger) -> str:
    """Whether training or the search for its metric went wrong."""
    ran = [trial for trial in ledger.ended if trial.status == "Completed"]
    return (NO_OBJECTIVE if ran else NONE_SUCCEEDED).format(len(ledger.ended))
