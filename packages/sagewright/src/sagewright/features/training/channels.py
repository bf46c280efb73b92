"""How the channels of a training job come to its containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PIPE, FAST_FILE = "Pipe", "FastFile"


def mode(spec: Mapping[str, Any], channel: Mapping[str, Any]) -> str:
    """API Channel: its InputMode, or that of the job."""
    found: str = channel.get("InputMode", spec["AlgorithmSpecification"]["TrainingInputMode"])
    return found


def modes(spec: Mapping[str, Any]) -> set[str]:
    """Those of all channels."""
    return {mode(spec, channel) for channel in spec.get("InputDataConfig", ())}
