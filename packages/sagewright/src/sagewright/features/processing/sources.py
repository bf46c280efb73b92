"""The inputs and outputs of a processing job, as its request names them (API ProcessingInput, ProcessingOutput). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.features.processing.folder import below
from sagewright.jobs.synchronised import Part

Spec = Mapping[str, Any]

CONTINUOUS = "Continuous"
PIPE = "Pipe"


@dataclass(frozen=True, slots=True)
class Input:
    """What the platform brings in: ``source`` is an S3DataSource, ``below`` the folder under /opt/ml."""

    name: str
    source: Mapping[str, Any]
    below: str


@dataclass(frozen=True, slots=True)
class Output:
    """What the platform brings out: the folder ``below`` /opt/ml goes to ``uri``, while the job runs or at its end."""

    name: str
    uri: str
    below: str
    continuous: bool


def inputs(spec: Spec) -> tuple[Input, ...]:
    """Of S3; those that the application manages itself are left to it."""
    return tuple(
        Input(item["InputName"], item["S3Input"], below(item["S3Input"]["LocalPath"]))
        for item in spec.get("ProcessingInputs", ())
        if "S3Input" in item and not item.get("AppManaged")
    )


def outputs(spec: Spec) -> tuple[Output, ...]:
    """The same of outputs."""
    return tuple(
        Output(
            item["OutputName"],
            item["S3Output"]["S3Uri"],
            below(item["S3Output"]["LocalPath"]),
            item["S3Output"]["S3UploadMode"] == CONTINUOUS,
        )
        for item in spec.get("ProcessingOutputConfig", {}).get("Outputs", ())
        if "S3Output" in item and not item.get("AppManaged")
    )


def synchronised(spec: Spec) -> dict[str, Part]:
    """Outputs with S3UploadMode Continuous, for jobs.synchronised. An output's name is any text, so their numbers name them.

    Nothing is known of AWS deleting what a container has deleted, so what went up stays.
    """
    return {
        f"output-{number}": Part(output.below, "", output.uri, mirrored=False)
        for number, output in enumerate(outputs(spec))
        if output.continuous
    }
