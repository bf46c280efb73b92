"""Data capture as the requests and answers about endpoints speak of it (API DataCaptureConfig); the work is the front's and features/capture's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.hosting.deployment import Fleet
from sagewright.objects.s3 import Location
from sagewright.store.rows import Document
from sagewright.wire.errors import validation


def check_capture(config: Mapping[str, Any] | None) -> None:
    """Raises Fault when a configuration names a place that is none in S3."""
    if config is None:
        return
    try:
        Location.parse(config["DestinationS3Uri"])
    except ValueError as problem:
        raise validation(f'DestinationS3Uri "{config["DestinationS3Uri"]}" of DataCaptureConfig is not an S3 URI.') from problem


def captured(config: Document | None) -> Document | None:
    """The configuration for the fronts; None when nothing is to be captured. Capture is on unless it is turned off (API)."""
    on = config is not None and config.get("EnableCapture", True) and config["InitialSamplingPercentage"]
    return config if on else None


def capture_summary(config: Document | None) -> Document:
    """What DescribeEndpoint says of it (API DataCaptureConfigSummary)."""
    if config is None:
        return {}
    on = bool(config.get("EnableCapture", True))
    summary: Document = {
        "EnableCapture": on,
        "CaptureStatus": "Started" if on else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
    return {"DataCaptureConfig": summary}


def retained_capture(active: Fleet | None, request: Mapping[str, Any]) -> Document:
    """API UpdateEndpoint, RetainAllVariantProperties: the capture stays as it is unless DataCaptureConfig is excluded from that."""
    dropped = {entry["VariantPropertyType"] for entry in request.get("ExcludeRetainedVariantProperties", ())}
    if active is None or not request.get("RetainAllVariantProperties") or "DataCaptureConfig" in dropped:
        return {}
    return {"Capture": active.capture}
