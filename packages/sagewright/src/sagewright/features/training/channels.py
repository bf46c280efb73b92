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


def s3_sources(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The S3DataSource of each channel that has one."""
    sources = [channel["DataSource"] for channel in spec.get("InputDataConfig", ())]
    return [source["S3DataSource"] for source in sources if "S3DataSource" in source]


def modes(spec: Mapping[str, Any]) -> set[str]:
    """Those of all channels."""
    return {mode(spec, channel) for channel in spec.get("InputDataConfig", ())}
