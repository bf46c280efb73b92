"""What a built-in algorithm's manifest forbids ends its job before any data is moved (DG common-info-all-sagemaker-models-logs).

AWS accepts the request and lets the algorithm's container say what is wrong; so do we, without starting it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.features.training import ml_view
from sagewright.jobs.instances import instances
from sagewright_algorithms import admission


def refusal(spec: Mapping[str, Any]) -> str:
    """A FailureReason, or "" for a job that may go on; scripts and other commands than the algorithm's speak for themselves."""
    algorithm = resolve(spec["AlgorithmSpecification"]["TrainingImage"]).algorithm
    own_command = spec["AlgorithmSpecification"].get("ContainerEntrypoint") or ml_view.source_uri(spec)
    if not algorithm or own_command:
        return ""
    found = ml_view.files(spec, instances(spec["ResourceConfig"])[0])
    return admission.refusal(algorithm, found["hyperparameters.json"], found["inputdataconfig.json"])
