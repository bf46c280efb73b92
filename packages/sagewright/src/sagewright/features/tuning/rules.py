"""What CreateHyperParameterTuningJob refuses before anything is written. Pure; ranges are range_rules.py's.

The words are AWS's where they are known (public logs and issues), ours elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.features.tuning import algorithms, range_rules
from sagewright.features.tuning.defaults import completed
from sagewright.features.tuning.settings import hyperband
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault, validation

Request = Mapping[str, Any]

MOST_TRIALS, MOST_RANDOM_TRIALS, MOST_PARALLEL = 750, 10_000, 100
"""Quotas of a tuning job (DG automatic-model-tuning-limits)."""
MOST_EPOCHS = 20_000
"""API HyperbandStrategyConfig."""


def check(_: Context, request: Document) -> None:
    """Raises Fault for the first thing that is wrong."""
    for rule in (_form, _strategy, _images):
        for problem in rule(request):
            raise validation(problem)
    whole = {**request, **completed(request)}
    for deeper in _OF_THE_WHOLE:
        for problem in deeper(whole):
            raise validation(problem)
    _check_quotas(whole)


def _form(request: Request) -> Iterator[str]:
    """One definition with objective and ranges in the configuration, or a list of definitions with their own."""
    config = request["HyperParameterTuningJobConfig"]
    listed = request.get("TrainingJobDefinitions")
    if ("TrainingJobDefinition" in request) == bool(listed):
        yield "Specify exactly one of TrainingJobDefinition and TrainingJobDefinitions."
        return
    if not listed:
        if "HyperParameterTuningJobObjective" not in config:
            yield "HyperParameterTuningJobObjective is required with TrainingJobDefinition."
        if request["TrainingJobDefinition"].get("TuningObjective") or request["TrainingJobDefinition"].get(
            "HyperParameterRanges"
        ):
            yield "TuningObjective and HyperParameterRanges can only be specified in TrainingJobDefinitions."
        return
    if config.get("HyperParameterTuningJobObjective") or config.get("ParameterRanges"):
        yield "HyperParameterTuningJobObjective and ParameterRanges cannot be specified with TrainingJobDefinitions."
    names = [item.get("DefinitionName") for item in listed]
    if None in names or len(set(names)) < len(names):
        yield "Every training job definition must have a DefinitionName of its own."
    if any("TuningObjective" not in item for item in listed):
        yield "TuningObjective is required for every item of TrainingJobDefinitions."
    elif len({item["TuningObjective"]["Type"] for item in listed}) > 1:
        yield "All training job definitions must have the same objective type."


def _strategy(request: Request) -> Iterator[str]:
    config = request["HyperParameterTuningJobConfig"]
    strategy = config["Strategy"]
    if config.get("StrategyConfig") and strategy != "Hyperband":
        yield f"StrategyConfig can only be specified for the Hyperband strategy, not for {strategy}."
    if strategy == "Hyperband" and config.get("TrainingJobEarlyStoppingType") == "Auto":
        yield "TrainingJobEarlyStoppingType must be Off for the Hyperband strategy, which stops training jobs by itself."
    automatic = any(ranges.get("AutoParameters") for ranges in _ranges(request))
    if automatic and "Autotune" not in request:
        yield "AutoParameters can only be specified when Autotune is enabled."


def _images(request: Request) -> Iterator[str]:
    for definition in _definitions(request):
        algorithm = definition["AlgorithmSpecification"]
        if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
            yield "Specify exactly one of TrainingImage and AlgorithmName in AlgorithmSpecification."
        if "AlgorithmName" in algorithm:
            yield "AlgorithmSpecification.AlgorithmName is not supported by this version of Sagewright."
            return
        problem = resolve(algorithm["TrainingImage"]).problem
        if problem:
            yield problem
        if algorithms.is_built_in(definition) and algorithm.get("MetricDefinitions"):
            yield (
                "You can't override the metric definitions for Amazon SageMaker algorithms. "
                "Please retry the request without specifying metric definitions."
            )
        if ("ResourceConfig" in definition) == ("HyperParameterTuningResourceConfig" in definition):
            yield "Specify exactly one of ResourceConfig and HyperParameterTuningResourceConfig."


def _objectives(whole: Request) -> Iterator[str]:
    for definition, objective in _with_objectives(whole):
        name, direction = objective["MetricName"], objective["Type"]
        metrics = [item["Name"] for item in definition["AlgorithmSpecification"]["MetricDefinitions"]]
        manifest = algorithms.manifest_of(definition)
        image = definition["AlgorithmSpecification"]["TrainingImage"]
        if manifest is None and name not in metrics:
            yield "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions."
        if manifest is None:
            continue
        known = next((metric for metric in manifest.metrics if metric.name == name), None)
        if known is None or known.direction is None:
            yield (
                f"The objective metric for the hyperparameter tuning job, [{name}], isn't valid for the [{image}] algorithm. "
                "Choose a valid objective metric."
            )
        elif known.direction != direction:
            yield (
                f"The objective metric type, [{direction}], that you specified for objective metric, [{name}], isn't valid for the "
                f"[{image}] algorithm. Choose a valid objective metric type."
            )


def _hyperband(whole: Request) -> Iterator[str]:
    config = whole["HyperParameterTuningJobConfig"]
    if config["Strategy"] != "Hyperband":
        return
    for definition in _definitions(whole):
        found = hyperband(config, definition)
        if found is None:
            yield (
                "MaxResource is required in HyperbandStrategyConfig when no static hyperparameter epochs, numepochs, n-epochs, "
                "n_epochs or num_epochs tells it."
            )
        elif found.most > MOST_EPOCHS:
            yield f"MaxResource must be at most {MOST_EPOCHS}."
        elif found.least > found.most:
            yield f"MinResource [{found.least}] must not be greater than MaxResource [{found.most}]."


def _limits(whole: Request) -> Iterator[str]:
    config = whole["HyperParameterTuningJobConfig"]
    limits, criteria = config.get("ResourceLimits", {}), config.get("TuningJobCompletionCriteria", {})
    most = limits.get("MaxNumberOfTrainingJobs")
    if most is None and config["Strategy"] != "Grid" and not criteria and "MaxRuntimeInSeconds" not in limits:
        yield "MaxNumberOfTrainingJobs is required in ResourceLimits when there are neither MaxRuntimeInSeconds nor completion criteria."
    size = range_rules.combinations(whole)
    if most is not None and config["Strategy"] == "Grid" and most != size:
        yield (
            f"MaxNumberOfTrainingJobs, [{most}], must be the number of combinations of the Grid strategy, [{int(size)}], or not be "
            "specified."
        )
    if most is not None and size < most:
        yield (
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter combinations for the "
            f"provided ranges [{size:.1f}] must be equal or greater than the value of MaxNumberOfJobs, [{most}]. Provide additional "
            "ranges."
        )
    if most is not None and limits["MaxParallelTrainingJobs"] > most:
        yield (
            f"MaxParallelTrainingJobs, [{limits['MaxParallelTrainingJobs']}], must not be greater than MaxNumberOfTrainingJobs, "
            f"[{most}]."
        )


def _check_quotas(whole: Request) -> None:
    """Raises Fault with AWS's code of a service quota."""
    config = whole["HyperParameterTuningJobConfig"]
    limits = config.get("ResourceLimits", {})
    most = range_rules.combinations(whole) if config["Strategy"] == "Grid" else limits.get("MaxNumberOfTrainingJobs", 1)
    quota = MOST_RANDOM_TRIALS if config["Strategy"] == "Random" else MOST_TRIALS
    for what, asked, limit in (
        ("Maximum number of training jobs per hyperparameter tuning job", most, quota),
        (
            "Maximum number of parallel training jobs per hyperparameter tuning job",
            limits.get("MaxParallelTrainingJobs", 1),
            MOST_PARALLEL,
        ),
    ):
        if asked > limit:
            raise Fault(
                "ResourceLimitExceeded",
                f"The account-level service limit '{what}' is {limit}, with a request of {asked:.0f}. Please use AWS Service Quotas "
                "to request an increase for this quota.",
            )


def _definitions(request: Request) -> list[Document]:
    return [request["TrainingJobDefinition"]] if "TrainingJobDefinition" in request else list(request["TrainingJobDefinitions"])


def _ranges(request: Request) -> list[Document]:
    if "TrainingJobDefinition" in request:
        return [request["HyperParameterTuningJobConfig"].get("ParameterRanges", {})]
    return [item.get("HyperParameterRanges", {}) for item in request["TrainingJobDefinitions"]]


def _with_objectives(whole: Request) -> list[tuple[Document, Document]]:
    if "TrainingJobDefinition" in whole:
        return [(whole["TrainingJobDefinition"], whole["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"])]
    return [(item, item["TuningObjective"]) for item in whole["TrainingJobDefinitions"]]


_OF_THE_WHOLE: tuple[Callable[[Request], Iterator[str]], ...] = (_objectives, range_rules.problems, _hyperband, _limits)
