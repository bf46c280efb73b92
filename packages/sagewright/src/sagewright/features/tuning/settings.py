"""What a tuning job wants, read from its row: the configuration and the definitions of its training jobs."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sagewright.features.tuning.ranges import Space
from sagewright.store.rows import Document, Resource

MANY = 10**9
EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters from which MaxResource is inferred (API HyperbandStrategyConfig)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Which metric, and which way is better."""

    metric: str
    direction: Literal["Maximize", "Minimize"]

    def better(self, value: float, other: float) -> bool:
        """Whether ``value`` beats ``other``."""
        return value > other if self.direction == "Maximize" else value < other

    def best(self, values: list[float]) -> float:
        """The best of some values."""
        return max(values) if self.direction == "Maximize" else min(values)


@dataclass(frozen=True, slots=True)
class Definition:
    """One HyperParameterTrainingJobDefinition; ``name`` is empty for the only one."""

    name: str
    objective: Objective
    space: Space
    document: Document

    @classmethod
    def of(cls, document: Document, objective: Mapping[str, Any], ranges: Mapping[str, Any]) -> Definition:
        """``objective`` and ``ranges`` stand in the definition or in the job's configuration."""
        return cls(
            document.get("DefinitionName", ""),
            Objective(objective["MetricName"], objective["Type"]),
            Space.of(ranges),
            document,
        )


@dataclass(frozen=True, slots=True)
class Resources:
    """Hyperband's: how many values of the objective a training job may print at least and at most (API HyperbandStrategyConfig)."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Settings:
    """``most`` training jobs in all, ``parallel`` at a time, for ``seconds`` at most. The rest are completion criteria and switches."""

    strategy: str
    definitions: tuple[Definition, ...]
    most: int
    parallel: int
    seconds: float
    seed: int
    early: bool
    resources: Resources | None
    target: float | None
    patience: int
    converges: bool

    @property
    def objective(self) -> Objective:
        """Of the first definition; all have the same direction."""
        return self.definitions[0].objective

    @property
    def curves(self) -> bool:
        """Whether it matters what a training job prints on its way."""
        return self.early or self.resources is not None

    def definition(self, name: str) -> Definition:
        """By DefinitionName."""
        return next(item for item in self.definitions if item.name == name)

    @classmethod
    def of(cls, resource: Resource) -> Settings:
        """From the row of a job: its status holds both documents with everything filled in (defaults.py)."""
        document = {**resource.spec, **resource.status}
        config = document["HyperParameterTuningJobConfig"]
        found = definitions(document)
        limits = config.get("ResourceLimits", {})
        criteria = config.get("TuningJobCompletionCriteria", {})
        size = sum(item.space.size for item in found)
        grid = config["Strategy"] == "Grid"
        return cls(
            strategy=config["Strategy"],
            definitions=found,
            most=int(size) if grid else limits.get("MaxNumberOfTrainingJobs", MANY),
            parallel=limits.get("MaxParallelTrainingJobs", 1),
            seconds=limits.get("MaxRuntimeInSeconds", float("inf")),
            seed=config.get("RandomSeed", zlib.crc32(f"{resource.arn} {resource.created!r}".encode())),
            early=config.get("TrainingJobEarlyStoppingType") == "Auto",
            resources=hyperband(config, found[0].document) if config["Strategy"] == "Hyperband" else None,
            target=criteria.get("TargetObjectiveMetricValue"),
            patience=criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving", 0),
            converges=criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled",
        )


def definitions(document: Mapping[str, Any]) -> tuple[Definition, ...]:
    """The one definition, or each of the list."""
    config = document["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" in document:
        objective, ranges = config["HyperParameterTuningJobObjective"], config.get("ParameterRanges", {})
        return (Definition.of(document["TrainingJobDefinition"], objective, ranges),)
    return tuple(
        Definition.of(item, item["TuningObjective"], item.get("HyperParameterRanges", {}))
        for item in document["TrainingJobDefinitions"]
    )


def hyperband(config: Mapping[str, Any], definition: Mapping[str, Any]) -> Resources | None:
    """MinResource and MaxResource, the latter also from a static hyperparameter that counts epochs; None when it is not to be had."""
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = given.get("MaxResource")
    if most is None:
        static = definition.get("StaticHyperParameters", {})
        text = next((str(static[name]).strip('"') for name in EPOCH_NAMES if name in static), "")
        most = int(text) if text.isascii() and text.isdigit() else None
    return None if most is None else Resources(given.get("MinResource", 1), most)
