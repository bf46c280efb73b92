"""What CreateProcessingJob refuses before anything is written. Pure.

AWS refuses little at this point: most mistakes only show when the job runs. What this version cannot do is refused here, in
words that say so, and never ignored. Its words for LocalPath and for one name used twice are not known; these are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.features.processing import dataset
from sagewright.features.processing.folder import PROCESSING_ROOT
from sagewright.features.processing.sources import PIPE
from sagewright.jobs.instances import cluster
from sagewright.jobs.refusals import unsupported
from sagewright.kernel.operation import Context
from sagewright.objects.s3 import Location
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault, validation

Request = Mapping[str, Any]

QUOTA = 32
"""Instances of one type in a job: what one machine can be asked for, in the form of AWS's quotas."""
NAME_BYTES = 240
"""A file name has 255 bytes at most."""


def check(_: Context, request: Document) -> None:
    """Raises Fault (ValidationException, ResourceLimitExceeded) for the first thing that is wrong."""
    for rule in (_application, _resources, _inputs, _outputs):
        for problem in rule(request):
            raise validation(problem)
    _check_quota(cluster(request))


def _application(request: Request) -> Iterator[str]:
    application = request["AppSpecification"]
    image = resolve(application["ImageUri"])
    if image.problem:
        yield image.problem
    if image.kind != "own" and not application.get("ContainerEntrypoint"):
        yield (
            f"The image {application['ImageUri']} has no command of its own here: name one in "
            "AppSpecification.ContainerEntrypoint."
        )
    words = (
        *application.get("ContainerEntrypoint", ()),
        *application.get("ContainerArguments", ()),
        *request.get("Environment", {}).values(),
    )
    if any("\0" in word for word in words):
        yield "ContainerEntrypoint, ContainerArguments and Environment must not contain NUL characters."


def _resources(request: Request) -> Iterator[str]:
    found = cluster(request)
    if "InstanceType" not in found or "InstanceCount" not in found:
        yield "InstanceType and InstanceCount are required in ProcessingResources.ClusterConfig."
    if found.get("InstancePreferences"):
        yield unsupported("ProcessingResources.ClusterConfig.InstancePreferences")


def _check_quota(found: Request) -> None:
    """Raises Fault with AWS's code and wording of a service quota."""
    kind, count = found["InstanceType"], found["InstanceCount"]
    if count > QUOTA:
        raise Fault(
            "ResourceLimitExceeded",
            f"The account-level service limit '{kind} for processing job usage' is {QUOTA} Instances, with current utilization "
            f"of 0 Instances and a request delta of {count} Instances. Please use AWS Service Quotas to request an increase "
            "for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota.",
        )


def _inputs(request: Request) -> Iterator[str]:
    """API ProcessingInput: one source each."""
    items = request.get("ProcessingInputs", ())
    yield from _unique("ProcessingInputs", "InputName", (item["InputName"] for item in items))
    for item in items:
        if ("S3Input" in item) == ("DatasetDefinition" in item):
            yield f"Input {item['InputName']}: specify exactly one of S3Input and DatasetDefinition."
    plain = [item for item in items if not item.get("AppManaged")]
    for item in plain:
        found = _s3_input(item["S3Input"]) if "S3Input" in item else _dataset(item["DatasetDefinition"])
        yield from (f"Input {item['InputName']}: {problem}" for problem in found)
    sources = [item.get("S3Input") or item["DatasetDefinition"] for item in plain]
    yield from _unique("ProcessingInputs", "LocalPath", (source["LocalPath"].rstrip("/") for source in sources))


def _s3_input(source: Request) -> Iterator[str]:
    """API ProcessingS3Input: Gzip is for Pipe mode only."""
    yield from _place(source)
    if source.get("S3InputMode", "File") == PIPE:
        yield unsupported("S3InputMode Pipe")
    if source.get("S3CompressionType", "None") == "Gzip":
        yield "S3CompressionType Gzip can only be used if Pipe mode is specified as the S3InputMode."


def _dataset(definition: Request) -> Iterator[str]:
    yield from dataset.problems(definition)
    yield from _place({**definition, "S3Uri": dataset.output_uri(definition)})


def _outputs(request: Request) -> Iterator[str]:
    """API ProcessingOutput: one goal each."""
    items = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    yield from _unique("ProcessingOutputConfig", "OutputName", (item["OutputName"] for item in items))
    for item in items:
        if "FeatureStoreOutput" in item:
            yield unsupported(f"Output {item['OutputName']}: FeatureStoreOutput")
        if "S3Output" not in item:
            yield f"Output {item['OutputName']}: S3Output is required."
    plain = [item for item in items if not item.get("AppManaged")]
    for item in plain:
        yield from (f"Output {item['OutputName']}: {problem}" for problem in _place(item["S3Output"]))
    yield from _unique("ProcessingOutputConfig", "LocalPath", (item["S3Output"]["LocalPath"].rstrip("/") for item in plain))


def _place(found: Request) -> Iterator[str]:
    """DG byoc-input-and-output: "the path in the processing container must begin with /opt/ml/processing/"."""
    try:
        Location.parse(found["S3Uri"])
    except ValueError:
        yield f'"{found["S3Uri"]}" is not a valid S3 location.'
    path = found.get("LocalPath")
    if not path:
        yield "LocalPath is required unless AppManaged is true."
        return
    parts = path.rstrip("/").removeprefix(f"{PROCESSING_ROOT}/").split("/")
    steps = any(part in ("", ".", "..") or len(part.encode(errors="replace")) > NAME_BYTES for part in parts)
    if not path.startswith(f"{PROCESSING_ROOT}/") or steps or "\0" in path:
        yield f"LocalPath {path!r} must be a folder below {PROCESSING_ROOT}/."


def _unique(where: str, member: str, values: Iterable[str]) -> Iterator[str]:
    found = list(values)
    if len(set(found)) < len(found):
        yield f"{member} in {where} must be unique."
