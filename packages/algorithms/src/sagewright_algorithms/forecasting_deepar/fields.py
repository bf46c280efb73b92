"""Which optional fields of the records the model takes: ``cat`` and ``dynamic_feat`` (DG:deepar_hyperparameters)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sagewright_algorithms.common import log
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import AUTO
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.series import MalformedSeriesError, Series
from sagewright_algorithms.forecasting_deepar.settings import IGNORE


def cardinality(wanted: str | tuple[int, ...], series: Sequence[Series], file: Path) -> tuple[int, ...]:
    """How many values each category has; () without categories. Raises ClientError when ``auto`` finds records that differ."""
    if not isinstance(wanted, str):
        return wanted
    if wanted == IGNORE:
        return ()
    found = [item.categories for item in series]
    if found[0] is None:
        log.info(_not_found("cardinality=auto", "cat", file))
        return ()
    if any(item is None or len(item) != len(found[0]) for item in found):
        raise ClientError("all time series must have the field cat with the same number of categories, or none of them")
    counted = tuple(1 + max(column) for column in zip(*(item for item in found if item is not None), strict=True))
    log.info(f"[cardinality=auto] Inferred value of cardinality={list(counted)} from dataset.")
    return counted


def num_dynamic_feat(wanted: str | int, series: Sequence[Series], file: Path) -> int:
    """How many features of the user's own; 0 without."""
    if isinstance(wanted, int):
        return wanted
    if wanted != AUTO:
        return 0
    first = series[0].features
    if first is None:
        log.info(_not_found("num_dynamic_feat=auto", "dynamic_feat", file))
        return 0
    log.info(f"[num_dynamic_feat=auto] Inferred value of num_dynamic_feat={len(first)} from dataset.")
    return len(first)


def agreed(counts: tuple[int, ...], cluster: Cluster) -> tuple[int, ...]:
    """The largest of all hosts: none sees all of the data. Raises ClientError where one has more of them than another."""
    most = cluster.most(len(counts))
    if cluster.most(int(len(counts) < most)):
        raise ClientError("all time series must have the field cat with the same number of categories, or none of them")
    return tuple(cluster.most(count) for count in counts)


def check(design: Design, series: Series, future: int = 0) -> None:
    """Whether the model can take it, with features for ``future`` more steps than values. Raises MalformedSeriesError."""
    if not design.ignores_cat:
        _check_categories(design.cardinality, series.categories)
    if not design.ignores_dynamic_feat:
        _check_features(design.num_dynamic_feat, series, future)


def _check_categories(cardinality: tuple[int, ...], found: tuple[int, ...] | None) -> None:
    if not cardinality:
        if found is not None:
            raise MalformedSeriesError("the field cat is given, but the model was trained without categories")
        return
    if found is None or len(found) != len(cardinality):
        raise MalformedSeriesError(f"the field cat must have {len(cardinality)} categories: cardinality is {list(cardinality)}")
    for place, (value, count) in enumerate(zip(found, cardinality, strict=True)):
        if value >= count:
            raise MalformedSeriesError(f"cat[{place}] is {value}, but the cardinality of this category is {count}")


def _check_features(count: int, series: Series, future: int) -> None:
    if not count:
        if series.features is not None:
            raise MalformedSeriesError("the field dynamic_feat is given, but the model was trained without dynamic features")
        return
    if series.features is None or len(series.features) != count:
        raise MalformedSeriesError(f"the field dynamic_feat must have {count} arrays: num_dynamic_feat is {count}")
    length, needed = series.features.shape[1], len(series.target) + future
    if length != needed:
        wanted = "the length of target" + (" plus prediction_length" if future else "")
        raise MalformedSeriesError(f"the arrays of dynamic_feat have {length} values, not {needed}: {wanted}")


def _not_found(setting: str, field: str, file: Path) -> str:
    return f"[{setting}] `{field}` field was NOT found in the file `{file}` and will NOT be used for training."
