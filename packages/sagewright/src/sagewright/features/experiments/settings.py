"""What an inference experiment asks for, read from its row (API CreateInferenceExperiment)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.store.rows import Document, Resource

KIND = "InferenceExperiment"
ENDED = ("Completed", "Cancelled")
DAY = 86_400.0
DEFAULT_SECONDS = 7 * DAY


@dataclass(frozen=True, slots=True)
class Settings:
    """``source`` and ``shadow`` name their ModelVariantConfigs, ``sampling`` is a part of 1, times are epoch seconds."""

    endpoint: str
    source: str
    shadow: str
    variants: Mapping[str, Document]
    sampling: float
    start: float
    end: float

    @classmethod
    def of(cls, resource: Resource) -> Settings:
        """From the row."""
        spec = resource.spec
        mode = spec["ShadowModeConfig"]
        (shadow,) = mode["ShadowModelVariants"]
        start, end = times(spec.get("Schedule", {}), resource.created)
        return cls(
            spec["EndpointName"],
            mode["SourceModelVariantName"],
            shadow["ShadowModelVariantName"],
            {variant["VariantName"]: variant for variant in spec["ModelVariants"]},
            shadow["SamplingPercentage"] / 100,
            start,
            end,
        )


def times(schedule: Mapping[str, Any], now: float) -> tuple[float, float]:
    """When it starts and ends: at once and for seven days, where nothing else is said."""
    start = float(schedule.get("StartTime", now))
    return start, float(schedule.get("EndTime", start + DEFAULT_SECONDS))
