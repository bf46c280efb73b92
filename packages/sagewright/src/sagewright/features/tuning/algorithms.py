"""What a built-in algorithm's manifest says about tuning it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright_algorithms.manifest import Manifest, load


def manifest_of(definition: Mapping[str, Any]) -> Manifest | None:
    """Of the algorithm that a definition trains; None for a script or an image that speaks for itself."""
    image = definition["AlgorithmSpecification"].get("TrainingImage")
    algorithm = resolve(image).algorithm if image else ""
    own = "sagemaker_program" in definition.get("StaticHyperParameters", {})
    own = own or "SAGEMAKER_PROGRAM" in definition.get("Environment", {})
    return load(algorithm) if algorithm and not own else None


def metrics_of(definition: Mapping[str, Any]) -> list[dict[str, str]]:
    """MetricDefinitions: the image's own if it is a built-in algorithm's, else those of the request."""
    image = definition["AlgorithmSpecification"].get("TrainingImage")
    algorithm = resolve(image).algorithm if image else ""
    if algorithm:
        return [{"Name": metric.name, "Regex": metric.regex} for metric in load(algorithm).metrics]
    given: list[dict[str, str]] = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    return given


def is_built_in(definition: Mapping[str, Any]) -> bool:
    """Whether the image brings metric definitions of its own."""
    image = definition["AlgorithmSpecification"].get("TrainingImage")
    return bool(image and resolve(image).algorithm)
