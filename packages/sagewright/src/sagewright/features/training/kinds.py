"""What the platform writes into a new training job, and what the engine must know about the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.features.training.progress import created
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright_algorithms.manifest import load

DEFAULT_STOPPING = {"MaxRuntimeInSeconds": 86400}


def filled(context: Context, spec: Document) -> Document:
    """The first status, and members that AWS answers although they were not sent (API DescribeTrainingJob)."""
    switches = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
    return {
        **created(context.now),
        **{switch: bool(spec.get(switch, False)) for switch in switches},
        "StoppingCondition": {**DEFAULT_STOPPING, **spec.get("StoppingCondition", {})},
        # SDK v2's attach reads KmsKeyId without asking whether it is there.
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **spec["OutputDataConfig"]},
        "AlgorithmSpecification": {**spec["AlgorithmSpecification"], **_metric_definitions(spec["AlgorithmSpecification"])},
        "ProfilingStatus": "Disabled",
    }


def _metric_definitions(algorithm: Mapping[str, Any]) -> Document:
    """A built-in algorithm brings its own, which Describe shows (DG training-metrics)."""
    name = resolve(algorithm["TrainingImage"]).algorithm
    if not name:
        return {}
    return {"MetricDefinitions": [{"Name": metric.name, "Regex": metric.regex} for metric in load(name).metrics]}


QUIRKS: Mapping[str, Mapping[str, Any]] = {"TrainingJob": {"fills": (filled,)}}
"""For Engine(quirks=…), added to what kernel/quirks says about the kind."""
