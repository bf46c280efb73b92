"""The folders of a training container that are kept in step with S3 while it runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.jobs.folder import CONTAINER_ROOT
from sagewright.jobs.synchronised import Part


def synchronised(spec: Mapping[str, Any]) -> dict[str, Part]:
    """By name: checkpoints (API CheckpointConfig; always there) and tensorboard (API TensorBoardOutputConfig)."""
    parts = {"checkpoints": _part("checkpoints", spec.get("CheckpointConfig", {}), "S3Uri", "/opt/ml/checkpoints")}
    if tensorboard := spec.get("TensorBoardOutputConfig"):
        parts["tensorboard"] = _part("tensorboard", tensorboard, "S3OutputPath", "/opt/ml/output/tensorboard")
    return parts


def _part(name: str, config: Mapping[str, Any], uri: str, default: str) -> Part:
    path = config.get("LocalPath", default).rstrip("/")
    if path.startswith(f"{CONTAINER_ROOT}/"):
        return Part(path.removeprefix(f"{CONTAINER_ROOT}/"), "", config.get(uri, ""))
    return Part(f".{name}", path, config.get(uri, ""))
