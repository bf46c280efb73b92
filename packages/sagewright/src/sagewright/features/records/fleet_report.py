"""GetDeviceFleetReport from what the devices' heartbeats said. Pure.

DOC (EdgeModelStat): connected devices have a heartbeat, active ones are running the model as well, sampling ones send sample data. AWS says
nothing of how old a heartbeat may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sagewright.store.rows import Document, Resource

RECENT_SECONDS = 600.0
"""A heartbeat, an inference or a sample counts for this long."""


def report(devices: Iterable[Resource], now: float) -> Document:
    """DeviceStats, AgentVersions and ModelStats."""
    rows = list(devices)
    versions = Counter(str(row.status["AgentVersion"]) for row in rows if "AgentVersion" in row.status)
    return {
        "DeviceStats": {
            "ConnectedDeviceCount": sum(_is_recent(row.status, "LatestHeartbeat", now) for row in rows),
            "RegisteredDeviceCount": len(rows),
        },
        "AgentVersions": [{"Version": version, "AgentCount": count} for version, count in sorted(versions.items())],
        "ModelStats": _models(rows, now),
    }


def _models(rows: Iterable[Resource], now: float) -> list[Document]:
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        connected = _is_recent(row.status, "LatestHeartbeat", now)
        for model in row.status.get("Models", []):
            counts = found.setdefault((model["ModelName"], model["ModelVersion"]), Counter())
            counts["ConnectedDeviceCount"] += connected
            counts["OfflineDeviceCount"] += not connected
            counts["ActiveDeviceCount"] += connected and _is_recent(model, "LatestInference", now)
            counts["SamplingDeviceCount"] += connected and _is_recent(model, "LatestSampleTime", now)
    return [{"ModelName": name, "ModelVersion": version, **counts} for (name, version), counts in sorted(found.items())]


def _is_recent(document: Mapping[str, Any], member: str, now: float) -> bool:
    return member in document and float(document[member]) >= now - RECENT_SECONDS
