"""Data capture of a transform job: manifests of what went in and came out, and ids in the output (DG:model-monitor-data-capture-batch).

Nothing is copied: ``<destination>/input/yyyy/mm/dd/hh/`` and ``…/output/…`` get one manifest each, a list that begins with the prefix of
the objects it names. The hour is that of the job's start.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagewright.objects.s3 import Location
from sagewright.objects.transfer import Item

ID, TIME = "SageMakerInferenceId", "SageMakerInferenceTime"


def manifests(request: Mapping[str, Any], job: str, begun: int, done: Sequence[Item]) -> Iterator[tuple[Location, bytes]]:
    """The objects to write for the inputs that were transformed; nothing when the request asks for no capture.

    The guide does not say how a manifest is called: here like its job.
    """
    config = request.get("DataCaptureConfig")
    if config is None or not done:
        return
    destination = Location.parse(config["DestinationS3Uri"])
    output = Location.parse(request["TransformOutput"]["S3OutputPath"])
    hour = datetime.fromtimestamp(begun, UTC).strftime("%Y/%m/%d/%H")
    listed = {
        "input": [{"prefix": _prefix(done)}, *(item.path for item in done)],
        "output": [{"prefix": f"{str(output).rstrip('/')}/"}, *(f"{item.path}.out" for item in done)],
    }
    for side, lines in listed.items():
        key = "/".join(filter(None, (destination.key.strip("/"), side, hour, f"{job}.manifest")))
        yield Location(destination.bucket, key), json.dumps(lines).encode()


@dataclass(frozen=True, slots=True)
class Identification:
    """GenerateInferenceId: ``job`` names it for ever, ``at`` is the time of its start."""

    job: str
    at: str

    @classmethod
    def of(cls, request: Mapping[str, Any], job: str, begun: int) -> Identification | None:
        """None when the request asks for no ids."""
        if not request.get("DataCaptureConfig", {}).get("GenerateInferenceId"):
            return None
        return cls(job, datetime.fromtimestamp(begun, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def identified(self, predictions: Sequence[Any], place: str) -> list[Any]:
        """The predictions with an id and the time: two columns more of CSV, two members more of JSON.

        ``place`` says which of the job's predictions these are: a record that is sent again gets the same id.
        """
        root = f"{self.job}/{place}"
        ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{root}/{number}")) for number in range(len(predictions))]
        return [_identified(value, event, self.at) for value, event in zip(predictions, ids, strict=True)]


def _identified(value: Any, event: str, at: str) -> Any:
    if isinstance(value, list):
        return [*value, event, at]
    if isinstance(value, dict):
        return {**value, ID: event, TIME: at}
    return {"SageMakerOutput": value, ID: event, TIME: at}


def _prefix(items: Sequence[Item]) -> str:
    """What the keys of all objects begin with, before their paths."""
    location = items[0].stored.location
    return f"s3://{location.bucket}/{location.key.removesuffix(items[0].path)}"
