"""What a container uses of what it may use, between two looks at it (DG monitoring-cloudwatch)."""

from __future__ import annotations

from sagewright.compute.runtime import Limits, Stats

SAMPLE_SECONDS = 15.0
"""AWS measures once a minute; a job here may be over by then."""


def utilisation(limit: Limits, before: Stats, stats: Stats, seconds: float) -> dict[str, float]:
    """CPU in percent of a core, summed over cores; memory and disk in percent of what there is."""
    found = {"CPUUtilization": max(0.0, stats.cpu - before.cpu) / seconds * 100}
    if limit.memory:
        found["MemoryUtilization"] = stats.memory / limit.memory * 100
    if limit.disk:
        found["DiskUtilization"] = stats.disk / limit.disk * 100
    return found
