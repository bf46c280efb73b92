"""What to do next with a tuning job. Pure: a row, one look at its trials and the time give a plan.

Read from the top: the first line that fits decides. A trial is written down before its training job is made, and its training job's
name follows from it, so no restart loses or repeats one.
"""

from __future__ import annotations

from sagewright.features.tuning import completion, progress
from sagewright.features.tuning.completion import Ending
from sagewright.features.tuning.early_stopping import hopeless
from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.settings import Settings
from sagewright.features.tuning.sight import Action, Drop, Forget, Inherit, Launch, Settle, Sight, Stop
from sagewright.features.tuning.trial import Trial
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

LOOK_SECONDS = 2.0
"""The store tells when a training job changes; this is for what it cannot tell."""
CURVE_SECONDS = 0.5
"""Between two looks at what training jobs print."""

TuningPlan = Plan[Action]


def plan(resource: Resource, sight: Sight, now: float) -> TuningPlan:
    """See the module docstring."""
    if resource.state in progress.TERMINAL:
        return Plan()
    if not sight.inherited:
        return Plan((Inherit(),), due=now)
    settings = Settings.of(resource)
    ledger = Ledger.of(sight.trials, sight.children)
    ending = _ending(resource, settings, ledger, now)
    if ending is not None:
        return _wind_up(resource, settings, sight, ending, ledger, now)
    status = progress.counted(resource, settings, ledger, sight.prior_best, now)
    settle = tuple(Settle(trial) for trial in ledger.settled)
    launches = tuple(Launch(trial) for trial in (*_unmade(ledger), *sight.proposals))
    stops = tuple(Stop(trial) for trial in hopeless(settings, ledger, sight.curves) if _stoppable(ledger, trial))
    counted = _with(status, len(sight.proposals))
    return _save(resource, counted, (*settle, *stops, *launches), _due(resource, settings, now), now)


def is_over(resource: Resource, settings: Settings, ledger: Ledger, now: float) -> bool:
    """Whether nothing more is begun."""
    return _ending(resource, settings, ledger, now) is not None


def _ending(resource: Resource, settings: Settings, ledger: Ledger, now: float) -> Ending | None:
    """A request to stop wins over what was decided before, as long as training jobs run."""
    if resource.state == "Stopping":
        return Ending("Stopped")
    return progress.ending_of(resource) or completion.ending(settings, ledger, now - resource.created)


def _wind_up(resource: Resource, settings: Settings, sight: Sight, ending: Ending, ledger: Ledger, now: float) -> TuningPlan:
    """The training jobs are stopped; when the last has ended the tuning job has."""
    drops = tuple(Drop(trial) for trial in _unmade(ledger))
    made = ledger.without({drop.trial.number for drop in drops})
    status = progress.counted(resource, settings, made, sight.prior_best, now)
    actions: tuple[Action, ...] = (*drops, *(Settle(trial) for trial in made.settled))
    if not made.active:
        return Plan((*actions, Forget()), progress.finished(resource, status, ending, now), ending.state, None)
    stops = tuple(Stop(trial) for trial in made.active if _stoppable(made, trial))
    return _save(resource, progress.decided(status, ending), (*actions, *stops), now + LOOK_SECONDS, now)


def _unmade(ledger: Ledger) -> tuple[Trial, ...]:
    """Trials whose training job does not exist yet: control ended in between."""
    return tuple(trial for trial in ledger.active if trial.number not in ledger.children)


def _stoppable(ledger: Ledger, trial: Trial) -> bool:
    child = ledger.children.get(trial.number)
    return child is not None and child.status == "InProgress"


def _with(status: Document, begun: int) -> Document:
    """The counters with the training jobs that this plan begins."""
    jobs, objectives = status["TrainingJobStatusCounters"], status["ObjectiveStatusCounters"]
    return {
        **status,
        "TrainingJobStatusCounters": {**jobs, "InProgress": jobs["InProgress"] + begun},
        "ObjectiveStatusCounters": {**objectives, "Pending": objectives["Pending"] + begun},
    }


def _due(resource: Resource, settings: Settings, now: float) -> float:
    return min(now + (CURVE_SECONDS if settings.curves else LOOK_SECONDS), max(now, resource.created + settings.seconds))


def _save(resource: Resource, status: Document, actions: tuple[Action, ...], due: float, now: float) -> TuningPlan:
    """What has been consumed is written down when something else is, too."""
    if status == resource.status:
        return Plan(actions, due=due)
    return Plan(actions, {**status, "ConsumedResources": {"RuntimeInSeconds": int(now - resource.created)}}, None, due)
