"""The folders of a training container that are kept in step with S3 while it runs. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sagewright.jobs.folder import CONTAINER_ROOT
from sagewright.jobs.synchronised import Part

_OUTPUT = "sagemaker_s3_output"
"""The hyperparameter by which AWS's toolkit and RLEstimator say where intermediate files go."""
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/|$)")


def synchronised(spec: Mapping[str, Any]) -> dict[str, Part]:
    """By name: checkpoints (API CheckpointConfig; always there), tensorboard (API TensorBoardOutputConfig), intermediate output.

    The last one is AWS's toolkit's, with the hyperparameter sagemaker_s3_output: the key has the job's name before it.
    """
    parts = {"checkpoints": _part("checkpoints", spec.get("CheckpointConfig", {}), "S3Uri", "/opt/ml/checkpoints")}
    if tensorboard := spec.get("TensorBoardOutputConfig"):
        parts["tensorboard"] = _part("tensorboard", tensorboard, "S3OutputPath", "/opt/ml/output/tensorboard")
    output = _text(spec.get("HyperParameters", {}).get(_OUTPUT, "")).rstrip("/")
    if _S3.match(output):
        below = "output/intermediate"
        parts["intermediate"] = Part(below, "", f"{output}/{spec['TrainingJobName']}/{below}", mirrored=False)
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
