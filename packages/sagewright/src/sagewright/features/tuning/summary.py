"""HyperParameterTrainingJobSummary: what BestTrainingJob and ListTrainingJobsForHyperParameterTuningJob show of a trial."""

from __future__ import annotations

from sagewright.features.tuning.settings import Settings
from sagewright.features.tuning.trial import Child, Trial
from sagewright.store.rows import Document


def summary(tuning_job: str, settings: Settings, trial: Trial, child: Child | None = None) -> Document:
    """``child`` is the last look at the training job of a trial that has not ended."""
    objective = settings.definition(trial.definition).objective
    times = child.times if child is not None and not trial.ended else trial.times
    found: Document = {
        "TrainingJobName": trial.name,
        "TuningJobName": tuning_job,
        "TrainingJobStatus": trial.status or (child.status if child is not None else "InProgress"),
        "TunedHyperParameters": dict(trial.values),
        "ObjectiveStatus": "Succeeded" if trial.succeeded else "Failed" if trial.ended else "Pending",
        **times,
    }
    if trial.definition:
        found["TrainingJobDefinitionName"] = trial.definition
    if trial.failure:
        found["FailureReason"] = trial.failure
    if trial.succeeded:
        found["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "Type": objective.direction,
            "MetricName": objective.metric,
            "Value": trial.objective,
        }
    return found
