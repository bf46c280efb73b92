"""Which ranges CreateHyperParameterTuningJob refuses. Pure (DG automatic-model-tuning-define-ranges, automatic-model-tuning-limits)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.features.tuning.algorithms import manifest_of
from sagewright.features.tuning.child import OBJECTIVE_NAME
from sagewright.features.tuning.ranges import MEMBERS, Kind, Space
from sagewright_algorithms.manifest import Hyperparameter, Manifest

Request = Mapping[str, Any]

MOST_RANGES, MOST_NAMES = 30, 100
"""Tunable hyperparameters, and tunable and static ones together, of one tuning job."""
FITTING: Mapping[str, tuple[Kind, ...]] = {"int": ("integer",), "float": ("continuous", "integer")}


def problems(whole: Request) -> Iterator[str]:
    """Of a request with everything filled in (defaults.py)."""
    count = 0
    grid = whole["HyperParameterTuningJobConfig"]["Strategy"] == "Grid"
    for definition, ranges in definitions(whole):
        items = [(kind, item) for member, kind in MEMBERS.items() for item in ranges.get(member) or ()]
        count += len(items)
        if not items:
            yield "At least one hyperparameter range is required."
        yield from _names(definition, [item["Name"] for _, item in items])
        for kind, item in items:
            yield from _range(kind, item)
            if grid and kind != "categorical":
                yield f"The Grid strategy only supports categorical parameters; [{item['Name']}] is {kind}."
        manifest = manifest_of(definition)
        if manifest is not None:
            yield from _built_in(manifest, definition, items)
    if count > MOST_RANGES:
        yield f"The number of hyperparameter ranges, [{count}], exceeds the limit of {MOST_RANGES}."


def combinations(whole: Request) -> float:
    """How many different training jobs the ranges allow; infinite with a continuous one."""
    return sum(Space.of(ranges).size for _, ranges in definitions(whole))


def definitions(whole: Request) -> Iterator[tuple[Request, Request]]:
    """Each definition with its ranges."""
    if "TrainingJobDefinition" in whole:
        yield whole["TrainingJobDefinition"], whole["HyperParameterTuningJobConfig"].get("ParameterRanges", {})
    for item in whole.get("TrainingJobDefinitions", ()):
        yield item, item.get("HyperParameterRanges", {})


def _names(definition: Request, names: list[str]) -> Iterator[str]:
    static = definition.get("StaticHyperParameters", {})
    for name, times in Counter(names).items():
        if times > 1:
            yield f"The hyperparameter [{name}] has more than one range."
        if name in static:
            yield f"The hyperparameter [{name}] is both tunable and static. Specify it either in the ranges or in StaticHyperParameters."
    if len({*static, *names} - {OBJECTIVE_NAME}) > MOST_NAMES:
        yield f"The number of static and tunable hyperparameters together exceeds the limit of {MOST_NAMES}."


def _range(kind: Kind, item: Request) -> Iterator[str]:
    name = item["Name"]
    if kind == "categorical":
        if len(set(item["Values"])) < len(item["Values"]):
            yield f"The values of the categorical parameter [{name}] must be unique."
        return
    try:
        low, high = (_number(kind, item[end]) for end in ("MinValue", "MaxValue"))
    except ValueError:
        yield f"MinValue [{item['MinValue']}] and MaxValue [{item['MaxValue']}] of the {kind} parameter [{name}] must be numbers of that type."
        return
    if low >= high:
        yield f"MinValue [{item['MinValue']}] of the parameter [{name}] must be less than MaxValue [{item['MaxValue']}]."
        return
    scaling = item.get("ScalingType", "Auto")
    if scaling == "Logarithmic" and low <= 0:
        yield f"The parameter [{name}] has scaling type Logarithmic, which works only for ranges that have only values greater than 0."
    if scaling == "ReverseLogarithmic" and kind == "integer":
        yield f"The integer parameter [{name}] has scaling type ReverseLogarithmic, which works only for continuous parameters."
    elif scaling == "ReverseLogarithmic" and not (low >= 0 and high < 1):
        yield (
            f"The parameter [{name}] has scaling type ReverseLogarithmic, which works only for ranges that are entirely within the "
            "range 0 <= x < 1.0."
        )


def _number(kind: Kind, text: str) -> float:
    """Raises ValueError for what is not such a number."""
    number = int(text) if kind == "integer" else float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _built_in(manifest: Manifest, definition: Request, items: list[tuple[Kind, Request]]) -> Iterator[str]:
    given = {*definition.get("StaticHyperParameters", {}), *(item["Name"] for _, item in items)}
    for known in manifest.hyperparameters:
        if known.required and not given & {known.name, *known.aliases}:
            yield f"The hyperparameter [{known.name}] is required by {manifest.title}: specify a range or a static value."
    recommended = {item.name for item in manifest.tunable}
    for kind, item in items:
        hyperparameter = manifest.hyperparameter(item["Name"])
        if hyperparameter is None:
            yield f"The hyperparameter [{item['Name']}] is not one of {manifest.title}'s."
        elif not hyperparameter.tunable and hyperparameter.name not in recommended:
            yield f"The hyperparameter [{item['Name']}] of {manifest.title} is not tunable."
        else:
            yield from _fits(hyperparameter, kind, item)


def _fits(hyperparameter: Hyperparameter, kind: Kind, item: Request) -> Iterator[str]:
    """Its type, and the values it may have."""
    name = item["Name"]
    fitting = FITTING.get(hyperparameter.type)
    if kind == "categorical":
        strange = [value for value in item["Values"] if not _allowed(hyperparameter, value)]
        if strange:
            yield f"The values {strange} are not valid for the hyperparameter [{name}]."
    elif fitting is None or kind not in fitting:
        yield f"The hyperparameter [{name}] is of type {hyperparameter.type} and cannot have a range of type {kind}."
    elif not all(hyperparameter.contains(float(item[end])) for end in ("MinValue", "MaxValue")):
        yield f"The range of the hyperparameter [{name}] must lie within {hyperparameter.interval()}."


def _allowed(hyperparameter: Hyperparameter, value: str) -> bool:
    if hyperparameter.choices:
        return value in hyperparameter.choices
    if hyperparameter.type not in FITTING:
        return True
    try:
        return hyperparameter.contains(float(value))
    except ValueError:
        return False
