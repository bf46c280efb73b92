"""The folders of a training container that are kept in step with S3 while it runs. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagewright.jobs.folder import CONTAINER_ROOT
from sagewright.jobs.synchronised import Part

_OUTPUT = "sagemaker_s3_output"
"""The hyperparameter by which RLEstimator says where intermediate files go."""


def synchronised(spec: Mapping[str, Any]) -> dict[str, Part]:
    """By name: checkpoints (API CheckpointConfig; always there), tensorboard (API TensorBoardOutputConfig), intermediate (RLEstimator)."""
    parts = {"checkpoints": _part("checkpoints", spec.get("CheckpointConfig", {}), "S3Uri", "/opt/ml/checkpoints")}
    if tensorboard := spec.get("TensorBoardOutputConfig"):
        parts["tensorboard"] = _part("tensorboard", tensorboard, "S3OutputPath", "/opt/ml/output/tensorboard")
    if (output := _text(spec.get("HyperParameters", {}).get(_OUTPUT, ""))).startswith("s3://"):
        uri = f"{output.rstrip('/')}/{spec['TrainingJobName']}/output/intermediate"
        parts["intermediate"] = Part("output/intermediate", "", uri, mirrored=False)
    return parts


def _part(name: str, config: Mapping[str, Any], uri: str, default: str) -> Part:
    path = config.get("LocalPath", default).rstrip("/")
    if path.startswith(f"{CONTAINER_ROOT}/"):
        return Part(path.removeprefix(f"{CONTAINER_ROOT}/"), "", config.get(uri, ""))
    return Part(f".{name}", path, config.get(uri, ""))


def _text(value: str) -> str:
    """Of a hyperparameter, which the SDK's frameworks write as JSON."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, str) else ""
