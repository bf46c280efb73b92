"""What the edge operations refuse before anything is written. Pure. AWS's words are known of none of these; they are ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.features.edge.package import artefact
from sagewright.jobs.refusals import unsupported
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

_CHOSEN_BY = {"PERCENTAGE": "Percentage", "SELECTION": "DeviceNames", "NAMECONTAINS": "DeviceNameContains"}


def check_packaging(_: Context, request: Document) -> None:
    """CreateEdgePackagingJob. Raises Fault (ValidationException) for the first thing that is wrong."""
    _check_preset(request["OutputConfig"])
    try:
        artefact(request)
    except ValueError as error:
        raise validation(f"OutputConfig.S3OutputLocation is no place in S3: {error}") from error


def _check_preset(output: Mapping[str, Any]) -> None:
    for member in ("PresetDeploymentType", "PresetDeploymentConfig"):
        if member in output:
            raise validation(unsupported(f"OutputConfig.{member} (a component of AWS IoT Greengrass)"))


def check_fleet(_: Context, request: Document) -> None:
    """CreateDeviceFleet, UpdateDeviceFleet. Raises the same."""
    _check_preset(request["OutputConfig"])


def check_plan(request: Document) -> None:
    """CreateEdgeDeploymentPlan. Raises the same."""
    handles = [model["ModelHandle"] for model in request["ModelConfigs"]]
    if not handles or len(set(handles)) != len(handles):
        raise validation("ModelConfigs must name at least one model, and every ModelHandle only once.")
    check_stages(request.get("Stages", []), ())


def check_stages(stages: list[Document], taken: tuple[str, ...]) -> None:
    """New stages of a plan that has stages named ``taken``. Raises the same."""
    names = [*taken, *(stage["StageName"] for stage in stages)]
    if len(set(names)) != len(names):
        raise validation("Every stage of an edge deployment plan needs a StageName of its own.")
    for stage in stages:
        for problem in _selection(stage["DeviceSelectionConfig"]):
            raise validation(problem)


def _selection(config: Mapping[str, Any]) -> Iterator[str]:
    wanted = _CHOSEN_BY[config["DeviceSubsetType"]]
    if not config.get(wanted):
        yield f"DeviceSelectionConfig.{wanted} is required for DeviceSubsetType {config['DeviceSubsetType']}."
    for other in _CHOSEN_BY.values():
        if other != wanted and config.get(other):
            yield f"DeviceSelectionConfig.{other} cannot be given for DeviceSubsetType {config['DeviceSubsetType']}."
