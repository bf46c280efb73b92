"""What CreateTransformJob refuses before anything is written. Pure; what this version cannot do is refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.features.transform import processing
from sagewright.features.transform.settings import LARGEST_PAYLOAD_MB
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Context
from sagewright.objects.s3 import Location
from sagewright.store.rows import Document
from sagewright.wire.errors import validation


def check(_: Context, request: Document) -> None:
    """Raises Fault for the first thing that is wrong."""
    for problem in _problems(request):
        raise validation(problem)


def _problems(request: Mapping[str, Any]) -> Iterator[str]:
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        # API TransformS3DataSource: AugmentedManifestFile is not compatible with batch transform.
        yield f"S3DataType {source['S3DataType']} is not supported for transform jobs; use S3Prefix or ManifestFile."
    yield from _locations(source["S3Uri"], request["TransformOutput"]["S3OutputPath"])
    if "DataCaptureConfig" in request:
        yield from _locations(request["DataCaptureConfig"]["DestinationS3Uri"])
    for header in (request["TransformInput"].get("ContentType", ""), request["TransformOutput"].get("Accept", "")):
        if not header.isprintable():  # they become headers of a request to the container
            yield "ContentType and Accept must not contain control characters."
    yield from _sizes(request)
    if (request.get("BatchStrategy") == "SingleRecord") and request["TransformInput"].get("SplitType", "None") == "None":
        yield "SplitType must be Line, RecordIO or TFRecord when BatchStrategy is SingleRecord."
    problem = processing.check(request)
    if problem:
        yield problem


def _locations(*uris: str) -> Iterator[str]:
    for uri in uris:
        try:
            Location.parse(uri)
        except ValueError:
            yield f'"{uri}" is not an S3 URI.'


def _sizes(request: Mapping[str, Any]) -> Iterator[str]:
    """API CreateTransformJob: MaxPayloadInMB at most 100, and MaxConcurrentTransforms times it, too."""
    payload, concurrency = request.get("MaxPayloadInMB", 0), request.get("MaxConcurrentTransforms", 0)
    if payload > LARGEST_PAYLOAD_MB:
        yield f"MaxPayloadInMB must be at most {LARGEST_PAYLOAD_MB}."
    if payload * concurrency > LARGEST_PAYLOAD_MB:
        yield f"MaxConcurrentTransforms * MaxPayloadInMB must be at most {LARGEST_PAYLOAD_MB} MB."


RULES: Mapping[str, tuple[Rule, ...]] = {"CreateTransformJob": (check,)}
"""By operation, for the engine."""

QUIRKS: Mapping[str, Mapping[str, Any]] = {"TransformJob": {"references": (Reference("ModelName", "Model"),)}}
"""For the engine: AWS answers `Could not find model "arn…"` when the job is created."""
