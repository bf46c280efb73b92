"""What the controller of processing jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.features.processing.message import SILENT, ExitMessage
from sagewright.jobs.sight import JobSight


@dataclass(frozen=True, slots=True)
class Sight(JobSight):
    """One look at a processing job. ``message`` is the exit message as far as it is written."""

    message: ExitMessage = SILENT
