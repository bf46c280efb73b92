"""What the platform writes into a new tuning job: defaults, Autotune's choices, and members that the SDKs read without asking.

SDK v2's attach wants all three lists of ranges, ``_tuning_objective_metric``, MetricDefinitions, ResourceConfig and KmsKeyId.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.tuning import autotune, progress
from sagewright.features.tuning.algorithms import metrics_of
from sagewright.features.tuning.child import OBJECTIVE_NAME
from sagewright.features.tuning.ranges import MEMBERS
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document


def filled(_: Context, spec: Document) -> Document:
    """The first status of a job (kernel.kind.Fill); rules.py has seen ``completed(spec)`` before."""
    return {**progress.created(), **completed(spec)}


def completed(spec: Mapping[str, Any]) -> Document:
    """HyperParameterTuningJobConfig and the definitions with everything filled in."""
    config, automatic = dict(spec["HyperParameterTuningJobConfig"]), "Autotune" in spec
    config["TrainingJobEarlyStoppingType"] = config.get("TrainingJobEarlyStoppingType") or _early(config, automatic)
    if "TrainingJobDefinition" not in spec:
        found = [
            _definition(item, item.get("HyperParameterRanges", {}), item.get("TuningObjective", {}), automatic)
            for item in spec.get("TrainingJobDefinitions", ())
        ]
        made = [{**definition, "HyperParameterRanges": ranges} for definition, ranges in found]
        config = _limited(config, [ranges for _, ranges in found], automatic)
        return {"HyperParameterTuningJobConfig": config, "TrainingJobDefinitions": made}
    definition, ranges = _definition(
        spec["TrainingJobDefinition"],
        config.get("ParameterRanges", {}),
        config.get("HyperParameterTuningJobObjective", {}),
        automatic,
    )
    config = _limited({**config, "ParameterRanges": ranges}, [ranges], automatic)
    return {"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": definition}


def _definition(
    document: Mapping[str, Any], ranges: Mapping[str, Any], objective: Mapping[str, Any], automatic: bool
) -> tuple[Document, Document]:
    """The definition, and its ranges."""
    chosen, static = autotune.completed(ranges, document) if automatic else (dict(ranges), {})
    listed: Document = {**{member: [] for member in MEMBERS}, **{name: list(items or ()) for name, items in chosen.items()}}
    named = {OBJECTIVE_NAME: objective["MetricName"]} if objective else {}
    made: Document = {
        **document,
        "StaticHyperParameters": {**document.get("StaticHyperParameters", {}), **static, **named},
        "AlgorithmSpecification": {**document["AlgorithmSpecification"], "MetricDefinitions": metrics_of(document)},
        "OutputDataConfig": {"KmsKeyId": "", **document["OutputDataConfig"]},
    }
    for switch in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
        made.setdefault(switch, False)
    if "HyperParameterTuningResourceConfig" in document:
        made["ResourceConfig"] = _resources(document["HyperParameterTuningResourceConfig"])
    return made, listed


def _resources(given: Mapping[str, Any]) -> Document:
    """ResourceConfig; of several InstanceConfigs the first, which has the highest priority and is to be had here."""
    if not given.get("InstanceConfigs"):
        return dict(given)
    first = given["InstanceConfigs"][0]
    kept = {name: value for name, value in given.items() if name not in ("InstanceConfigs", "AllocationStrategy")}
    return {**kept, **first}


def _early(config: Mapping[str, Any], automatic: bool) -> str:
    return "Auto" if automatic and config["Strategy"] not in ("Hyperband", "Grid") else "Off"


def _limited(config: Document, ranges: list[Document], automatic: bool) -> Document:
    """Autotune chooses how many training jobs there are, and ends the job when it has converged."""
    if not automatic:
        return config
    count = sum(len(items) for found in ranges for member, items in found.items() if member in MEMBERS)
    criteria = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}, **config.get("TuningJobCompletionCriteria", {})}
    return {
        **config,
        "ResourceLimits": autotune.limits(config.get("ResourceLimits", {}), count),
        "TuningJobCompletionCriteria": criteria,
    }
