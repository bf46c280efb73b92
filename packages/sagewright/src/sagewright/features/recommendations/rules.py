"""What CreateInferenceRecommendationsJob refuses before anything is written. Pure. AWS documents the limits, not the wordings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.features.recommendations import traffic
from sagewright.jobs.refusals import unsupported
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

KIND = "InferenceRecommendationsJob"
MOST_USERS = 200
"""Threads of one load test; AWS takes 3 users a phase at most."""
_PERCENTILE = re.compile(r"P\d{1,2}(\.\d+)?")


def check(_: Context, request: Document) -> None:
    """Raises Fault (ValidationException) for the first thing that is wrong."""
    for problem in _problems(request):
        raise validation(problem)


def _problems(request: Mapping[str, Any]) -> Iterator[str]:
    given = request["InputConfig"]
    if ("ModelName" in given) == ("ModelPackageVersionArn" in given):
        yield "Exactly one of ModelName and ModelPackageVersionArn must be given in InputConfig."
    if "CompiledOutputConfig" in request.get("OutputConfig", {}):
        yield unsupported("OutputConfig.CompiledOutputConfig")
    yield from (_default if request["JobType"] == "Default" else _advanced)(request, given)
    for number, entry in enumerate(given.get("EndpointConfigurations", ())):
        if ("InstanceType" in entry) == ("ServerlessConfig" in entry):
            yield f"EndpointConfigurations[{number}] must have exactly one of InstanceType and ServerlessConfig."
        if "InferenceSpecificationName" in entry:
            yield unsupported("EndpointConfigurations.InferenceSpecificationName")


def _default(request: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for member in ("TrafficPattern", "ResourceLimit", "Endpoints"):
        if member in given:
            yield f"InputConfig.{member} is for jobs of type Advanced only."
    if "StoppingConditions" in request:
        yield "StoppingConditions is for jobs of type Advanced only."
    if any("EnvironmentParameterRanges" in entry for entry in given.get("EndpointConfigurations", ())):
        yield "EnvironmentParameterRanges is for jobs of type Advanced only."


def _advanced(request: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    if not given.get("EndpointConfigurations") and not given.get("Endpoints"):
        yield "A job of type Advanced needs InputConfig.EndpointConfigurations or InputConfig.Endpoints."
    yield from _pattern(given.get("TrafficPattern", traffic.DEFAULT_PATTERN), given)
    for threshold in request.get("StoppingConditions", {}).get("ModelLatencyThresholds", ()):
        if not _PERCENTILE.fullmatch(threshold["Percentile"]):
            yield f"ModelLatencyThresholds: the percentile must be one like P95 or P99, not {threshold['Percentile']}."


def _pattern(pattern: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    kind = pattern.get("TrafficType", "PHASES")
    wanted: Mapping[str, Any] = {"PHASES": ("Phases", "InitialNumberOfUsers", "SpawnRate", "DurationInSeconds")}
    stairs = ("Stairs", "DurationInSeconds", "NumberOfSteps", "UsersPerStep")
    member, *needed = wanted.get(kind, stairs)
    if member not in pattern:
        yield f"TrafficPattern of type {kind} needs {member}."
    for part in pattern[member] if kind == "PHASES" else [pattern[member]]:
        for name in needed:
            if name not in part:
                yield f"TrafficPattern.{member} needs {name}."
    phases = traffic.of(pattern)
    if max(phase.most for phase in phases) > MOST_USERS:
        yield f"TrafficPattern has more than {MOST_USERS} users at a time."
    seconds = sum(phase.seconds for phase in phases)
    if seconds > given.get("JobDurationInSeconds", seconds):
        yield "The duration of the traffic pattern must not exceed JobDurationInSeconds."


def _described(_: Context, spec: Document) -> Document:
    """The summary of a list has a description always (model)."""
    return {} if "JobDescription" in spec else {"JobDescription": ""}


RULES: Mapping[str, tuple[Rule, ...]] = {f"Create{KIND}": (check,)}
"""By operation, for the engine."""
QUIRKS: Mapping[str, Mapping[str, Any]] = {
    KIND: {
        "fills": (_described,),
        "references": (
            Reference("InputConfig.ModelName", "Model"),
            Reference("InputConfig.ModelPackageVersionArn", "ModelPackage"),
        ),
    }
}
