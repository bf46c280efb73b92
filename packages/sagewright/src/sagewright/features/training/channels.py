"""How the channels of a training job come to its containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FILE, PIPE, FAST_FILE = "File", "Pipe", "FastFile"


def mode(spec: Mapping[str, Any], channel: Mapping[str, Any]) -> str:
    """API Channel: its InputMode, or that of the job."""
    found: str = channel.get("InputMode", spec["AlgorithmSpecification"]["TrainingInputMode"])
    return found


def streams(spec: Mapping[str, Any]) -> bool:
    """Whether any channel's data should come while the program reads."""
    return bool(modes(spec) - {FILE})


def modes(spec: Mapping[str, Any]) -> set[str]:
    """Those of all channels."""
    return {mode(spec, channel) for channel in spec.get("InputDataConfig", ())}
