"""Warm start: what earlier tuning jobs have found, and which of them a new one may build on (DG automatic-model-tuning-warm-start)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagewright.features.tuning import progress
from sagewright.features.tuning.ranges import named
from sagewright.features.tuning.search import Observation
from sagewright.features.tuning.settings import Settings
from sagewright.features.tuning.trial import Trial
from sagewright.store.rows import Document, Resource

KIND = "tuning.Prior"
"""The kind of the row that keeps what the parents have found; key: the tuning job's name."""
IDENTICAL = "IdenticalDataAndAlgorithm"
DIFFERENT_NAMES = (
    "The set of tunable plus static HyperParameter names is not the same across current and parent tuning jobs. Please ensure this "
    "set is constant when warm starting. Note that previously static HyperParameters can be tuned in warm start jobs and vice versa."
)


@dataclass(frozen=True, slots=True)
class Prior:
    """What all parents together have found; ``best`` is the summary of the best training job among them, if that is comparable."""

    observations: tuple[Observation, ...] = ()
    best: Document | None = None

    @classmethod
    def of(cls, resource: Resource) -> Prior:
        """From its row."""
        found = tuple(
            Observation(item["Values"], item["Objective"], item["Parent"], item["Definition"])
            for item in resource.status["Observations"]
        )
        return cls(found, resource.status["Best"])

    def document(self) -> Document:
        """For the status of its row."""
        items = [
            {"Values": dict(item.values), "Objective": item.objective, "Parent": item.parent, "Definition": item.definition}
            for item in self.observations
        ]
        return {"Observations": items, "Best": self.best}


def parents(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Their names."""
    listed = document.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ())
    return tuple(item["HyperParameterTuningJobName"] for item in listed if "HyperParameterTuningJobName" in item)


def is_identical(document: Mapping[str, Any]) -> bool:
    """Whether parents' objectives can be compared with the job's own."""
    return bool(document.get("WarmStartConfig", {}).get("WarmStartType") == IDENTICAL)


def problems(document: Mapping[str, Any], parent: Resource) -> Iterator[str]:
    """Why a job with this (completed) document cannot build on a parent."""
    theirs = {**parent.spec, **parent.status}
    if parent.state not in progress.TERMINAL:
        yield (
            f"The parent hyperparameter tuning job [{parent.key}] is in status {parent.state}. Parents of a warm start job must be "
            "Completed, Stopped or Failed."
        )
        return
    if ("TrainingJobDefinition" in document) != ("TrainingJobDefinition" in theirs):
        yield f"The parent hyperparameter tuning job [{parent.key}] does not have the same training job definitions."
        return
    old = {item.get("DefinitionName", ""): (item, objective, ranges) for item, objective, ranges in _definitions(theirs)}
    for item, objective, ranges in _definitions(document):
        name = item.get("DefinitionName", "")
        if name not in old:
            yield f"The parent hyperparameter tuning job [{parent.key}] has no training job definition [{name}]."
            return
        yield from _differences(document, (item, objective, ranges), old[name], parent.key)


def _differences(
    document: Mapping[str, Any], new: tuple[Any, Any, Any], old: tuple[Any, Any, Any], parent: str
) -> Iterator[str]:
    if new[1] != old[1]:
        yield f"The objective metric must be the same as the one of the parent hyperparameter tuning job [{parent}]."
    if _names(new) != _names(old):
        yield DIFFERENT_NAMES
    if not is_identical(document):
        return
    if new[0]["AlgorithmSpecification"].get("TrainingImage") != old[0]["AlgorithmSpecification"].get("TrainingImage"):
        yield f"TrainingImage must be the one of the parent hyperparameter tuning job [{parent}] when WarmStartType is {IDENTICAL}."
    if new[0].get("InputDataConfig") != old[0].get("InputDataConfig"):
        yield f"InputDataConfig must be the one of the parent hyperparameter tuning job [{parent}] when WarmStartType is {IDENTICAL}."


def gather(document: Mapping[str, Any], found: Sequence[tuple[Resource, Sequence[Trial], Prior]]) -> Prior:
    """What the parents (row, trials, and what they had inherited themselves) have found together."""
    observations: list[Observation] = []
    best: Document | None = None
    for parent, trials, inherited in found:
        statics = {
            item.get("DefinitionName", ""): item.get("StaticHyperParameters", {})
            for item, _, _ in _definitions({**parent.spec, **parent.status})
        }
        for trial in trials:
            if trial.succeeded and trial.objective is not None:
                values = {**statics.get(trial.definition, {}), **trial.values}
                observations.append(Observation(values, trial.objective, parent.key, trial.definition))
        observations += inherited.observations
        if is_identical(document):
            best = _better(
                Settings.of(parent), best, parent.status.get("OverallBestTrainingJob") or parent.status.get("BestTrainingJob")
            )
    return Prior(tuple(observations), best)


def _better(settings: Settings, one: Document | None, other: Document | None) -> Document | None:
    if one is None or other is None:
        return one or other
    member = "FinalHyperParameterTuningJobObjectiveMetric"
    return other if settings.objective.better(other[member]["Value"], one[member]["Value"]) else one


def _definitions(document: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Each definition with its objective and its ranges."""
    config = document["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" in document:
        yield (
            document["TrainingJobDefinition"],
            config.get("HyperParameterTuningJobObjective"),
            config.get("ParameterRanges", {}),
        )
    for item in document.get("TrainingJobDefinitions", ()):
        yield item, item.get("TuningObjective"), item.get("HyperParameterRanges", {})


def _names(definition: tuple[Any, Any, Any]) -> set[str]:
    return {*definition[0].get("StaticHyperParameters", {}), *named(definition[2])}
