"""What the topics of an asynchronous endpoint are told (developer guide, async-inference-check-predictions)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sagewright.signals.topics import timestamp
from sagewright.store.rows import Document, Resource

LARGEST_RESPONSE = 128 * 1024
"""Bytes of a response that a notification may include (API AsyncInferenceNotificationConfig)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended. ``response``: the container's answer when it is small enough to be told."""

    status: Literal["Completed", "Failed", "Expired"]
    content_type: str = ""
    reason: str = ""
    response: bytes | None = None

    @property
    def good(self) -> bool:
        """Whether the model has answered."""
        return self.status == "Completed"


def topic(notify: Mapping[str, Any], outcome: Outcome) -> str:
    """The topic to tell, or empty."""
    return str(notify.get("SuccessTopic" if outcome.good else "ErrorTopic", ""))


def document(row: Resource, outcome: Outcome, now: float) -> Document:
    """The message. AWS does not show the form of a response that is included: ``responseBody`` is as others have seen it."""
    headers, notify = row.spec["Headers"], row.spec["Notify"]
    asked = {
        "accept": headers.get("Accept"),
        "contentType": headers.get("ContentType"),
        "customAttributes": headers.get("CustomAttributes"),
        "endpointName": row.parent,
        "inputLocation": row.spec["InputLocation"] or None,
    }
    told: Document = {
        "awsRegion": row.world.region,
        "eventTime": timestamp(now),
        "receivedTime": timestamp(row.created),
        "invocationStatus": "Completed" if outcome.good else "Failed",
    }
    if not outcome.good:
        told["failureReason"] = outcome.reason
    told["requestParameters"] = {name: value for name, value in asked.items() if value}
    if outcome.good:
        told["responseParameters"] = {"contentType": outcome.content_type, "outputLocation": row.spec["Output"]}
    elif row.spec["Failure"]:
        told["responseParameters"] = {"failureLocation": row.spec["Failure"]}
    wanted = "SUCCESS_NOTIFICATION_TOPIC" if outcome.good else "ERROR_NOTIFICATION_TOPIC"
    if outcome.response is not None and wanted in notify.get("IncludeInferenceResponseIn", ()):
        told["responseBody"] = {"content": base64.b64encode(outcome.response).decode(), "encoding": "BASE64"}
    return {
        **told,
        "inferenceId": row.spec["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
