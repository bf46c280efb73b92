"""Autotune: ranges from a name and an example value, and limits for a job that names none (API Autotune, AutoParameter).

A built-in algorithm's hyperparameter gets the range that AWS recommends for it. Any other number gets one around its example, and what
is no number stays as it is. AWS does not publish its own choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.tuning.algorithms import manifest_of
from sagewright.store.rows import Document
from sagewright_algorithms.manifest import Manifest, TunableRange

FACTOR = 10.0
"""A positive number is searched from a tenth to ten times its example, on a logarithmic scale."""
INTEGER_FACTOR = 4
TRIALS_FOR_EACH = 10
MOST_TRIALS = 100
PARALLEL = 4


def completed(ranges: Mapping[str, Any], definition: Mapping[str, Any]) -> tuple[Document, dict[str, str]]:
    """ParameterRanges with a range for every AutoParameter that is eligible, and the values of those that are not."""
    manifest = manifest_of(definition)
    found: Document = {member: list(items or ()) for member, items in ranges.items()}
    static: dict[str, str] = {}
    for item in ranges.get("AutoParameters") or ():
        chosen = _chosen(manifest, item["Name"], item["ValueHint"])
        if chosen is None:
            static[item["Name"]] = item["ValueHint"]
        else:
            member, made = chosen
            found[member] = [*found.get(member, ()), made]
    return found, static


def limits(given: Mapping[str, Any], ranges: int) -> Document:
    """ResourceLimits with the number of training jobs chosen by how many hyperparameters there are."""
    chosen = {
        "MaxNumberOfTrainingJobs": min(MOST_TRIALS, TRIALS_FOR_EACH * max(1, ranges)),
        "MaxParallelTrainingJobs": PARALLEL,
    }
    return {**chosen, **given}


def _chosen(manifest: Manifest | None, name: str, hint: str) -> tuple[str, Document] | None:
    """A member of ParameterRanges and an item of it."""
    if manifest is not None:
        known = next((item for item in manifest.tunable if item.name == name), None)
        return None if known is None else _recommended(known)
    text = hint.strip().strip('"')
    try:
        number = float(text)
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")) or number == 0:
        return None
    if number.is_integer() and "." not in text and "e" not in text.lower():
        return _around_integer(name, int(number))
    return _around(name, number)


def _recommended(known: TunableRange) -> tuple[str, Document]:
    if known.type == "Categorical":
        return "CategoricalParameterRanges", {"Name": known.name, "Values": list(known.values)}
    item = {"Name": known.name, "MinValue": known.min, "MaxValue": known.max, "ScalingType": "Auto"}
    return f"{known.type}ParameterRanges", item


def _around_integer(name: str, number: int) -> tuple[str, Document] | None:
    if number < 0:
        return None
    low, high = max(1, number // INTEGER_FACTOR), max(2, number * INTEGER_FACTOR)
    return "IntegerParameterRanges", {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": "Auto"}


def _around(name: str, number: float) -> tuple[str, Document]:
    if number < 0:
        low, high, scaling = number * FACTOR, number / FACTOR, "Linear"
    elif number < 1:  # a share or a rate: it stays below 1
        low, high, scaling = number / FACTOR, min(number * FACTOR, (1 + number) / 2), "Logarithmic"
    else:
        low, high, scaling = number / FACTOR, number * FACTOR, "Logarithmic"
    return "ContinuousParameterRanges", {"Name": name, "MinValue": repr(low), "MaxValue": repr(high), "ScalingType": scaling}
