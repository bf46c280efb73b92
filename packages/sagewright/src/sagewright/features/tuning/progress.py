"""The status document of a tuning job: members of DescribeHyperParameterTuningJob, and our own ``Run`` ({Ending: {State, Reason}})."""

from __future__ import annotations

from sagewright.features.tuning.completion import Ending, converged, not_improving
from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.settings import Settings
from sagewright.features.tuning.summary import summary
from sagewright.store.rows import Document, Resource

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
REASON_LIMIT = 1024


def created() -> Document:
    """What Describe answers of a job that has just been asked for."""
    counters = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    return {
        "TrainingJobStatusCounters": dict.fromkeys(counters, 0),
        "ObjectiveStatusCounters": dict.fromkeys(("Succeeded", "Pending", "Failed"), 0),
        "ConsumedResources": {"RuntimeInSeconds": 0},
        "Run": {},
    }


def counted(resource: Resource, settings: Settings, ledger: Ledger, prior_best: Document | None, now: float) -> Document:
    """The status after a look: counters, the best training jobs, how it gets on."""
    status = {**resource.status, **ledger.counters()}
    status["TuningJobCompletionDetails"] = _details(resource, settings, ledger, now)
    best = ledger.best(settings)
    if best is not None:
        status["BestTrainingJob"] = summary(resource.key, settings, best)
    overall = _overall(settings, status.get("BestTrainingJob"), prior_best)
    if overall is not None:
        status["OverallBestTrainingJob"] = overall
    return status


def decided(status: Document, ending: Ending) -> Document:
    """It is known how the job ends; its training jobs have to end first."""
    return {**status, "Run": {**status["Run"], "Ending": {"State": ending.state, "Reason": ending.reason}}}


def finished(resource: Resource, status: Document, ending: Ending, now: float) -> Document:
    """The last status."""
    last = {
        **{member: value for member, value in status.items() if member != "Run"},
        "HyperParameterTuningEndTime": now,
        "ConsumedResources": {"RuntimeInSeconds": int(now - resource.created)},
    }
    if ending.reason:
        last["FailureReason"] = ending.reason[:REASON_LIMIT]
    return last


def ending_of(resource: Resource) -> Ending | None:
    """What an earlier look has decided."""
    known = resource.status.get("Run", {}).get("Ending")
    return None if known is None else Ending(known["State"], known["Reason"])


def _details(resource: Resource, settings: Settings, ledger: Ledger, now: float) -> Document:
    known = resource.status.get("TuningJobCompletionDetails", {})
    details: Document = {"NumberOfTrainingJobsObjectiveNotImproving": not_improving(settings, ledger)}
    if "ConvergenceDetectedTime" in known:
        details["ConvergenceDetectedTime"] = known["ConvergenceDetectedTime"]
    elif converged(settings, ledger):
        details["ConvergenceDetectedTime"] = now
    return details


def _overall(settings: Settings, own: Document | None, prior: Document | None) -> Document | None:
    """The better of the job's own best and its parents' (IdenticalDataAndAlgorithm only)."""
    if prior is None or own is None:
        return prior
    member = "FinalHyperParameterTuningJobObjectiveMetric"
    return prior if settings.objective.better(prior[member]["Value"], own[member]["Value"]) else own
