"""What the controller of training jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagewright.jobs.sight import (
    MISSING,
    Download,
    ErrandName,
    Failure,
    Forget,
    JobSight,
    Remove,
    Reserve,
    Signal,
    Start,
    Watch,
)

__all__ = [
    "MISSING",
    "Action",
    "Download",
    "ErrandName",
    "Failure",
    "Forget",
    "Remove",
    "Reserve",
    "Sight",
    "Signal",
    "Start",
    "Upload",
    "Watch",
]


@dataclass(frozen=True, slots=True)
class Sight(JobSight):
    """One look at a training job.

    ``metrics`` is the FinalMetricDataList so far. ``copying`` says why FastFile and Pipe data must be copied, or is empty.
    """

    metrics: tuple[dict[str, Any], ...] = ()
    copying: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """Begins to ship the last log lines and to bring out what the containers wrote; the model only ``with_model``."""

    with_model: bool


Action = Reserve | Download | Start | Watch | Upload | Signal | Forget | Remove
