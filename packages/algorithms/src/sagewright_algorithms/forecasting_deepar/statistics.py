"""What a data set is like: the log's lines about it, and what of it becomes part of the model's design."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common import log
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.forecasting_deepar.series import Series

_ENOUGH = 300  # observations in all series together (DG:deepar)
_RANGES = {"beta": (0, 1), "negative-binomial": (0, math.inf)}  # what values a likelihood can explain


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of all observed values; ``scales`` are the mean magnitudes of the series that are not zero throughout."""

    series: int
    observations: int
    missing: bool
    integers: bool
    smallest: float
    mean: float
    largest: float
    mean_magnitude: float
    scales: Floats

    @classmethod
    def of(cls, series: Sequence[Series]) -> Statistics:
        """Raises ClientError when nothing was observed."""
        values = np.concatenate([item.target for item in series]).astype(np.float64)
        observed = values[~np.isnan(values)]
        if not len(observed):
            raise ClientError("the time series have no observed values")
        scales = np.array([_scale(item.target) for item in series])
        return cls(
            series=len(series),
            observations=len(observed),
            missing=len(observed) < len(values),
            integers=bool((observed == np.floor(observed)).all()),
            smallest=float(observed.min()),
            mean=float(observed.mean()),
            largest=float(observed.max()),
            mean_magnitude=float(np.abs(observed).mean()),
            scales=scales[scales > 0],
        )

    def report(self, title: str) -> None:
        """The lines that AWS's container writes."""
        for line in (
            f"{title} set statistics:",
            f"{'Integer' if self.integers else 'Real'} time series",
            f"number of time series: {self.series}",
            f"number of observations: {self.observations}",
            f"mean target length: {self.observations / self.series}",
            f"min/mean/max target: {self.smallest}/{self.mean}/{self.largest}",
            f"mean abs(target): {self.mean_magnitude}",
            f"contains missing values: {'yes' if self.missing else 'no'}",
        ):
            log.info(line)

    def check(self, likelihood: str) -> None:
        """Raises ClientError when the model cannot be trained on these values."""
        low, high = _RANGES.get(likelihood, (-math.inf, math.inf))
        if self.smallest < low or self.largest > high:
            found = f"[{self.smallest}, {self.largest}]"
            raise ClientError(
                f"the likelihood {likelihood} needs target values in [{low}, {high}], the training data has {found}"
            )
        if self.observations < _ENOUGH:
            log.info(f"The training data has {self.observations} observations; at least {_ENOUGH} are recommended.")


def feature_moments(series: Sequence[Series], count: int, cluster: Cluster) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each of the user's ``count`` features on all hosts; the deviation of a constant counts as 1."""
    tables = [item.features for item in series if item.features is not None and len(item.features) == count]
    if not count:
        return (), ()
    # Series without these features are refused when they are checked against the design.
    table = np.concatenate(tables, axis=1).astype(np.float64) if tables else np.zeros((count, 1))
    mean = cluster.mean(table.mean(axis=1), table.shape[1])
    deviation = np.sqrt(cluster.mean(np.square(table - mean[:, None]).mean(axis=1), table.shape[1]))
    return tuple(mean.tolist()), tuple(np.where(deviation > 0, deviation, 1).tolist())


def _scale(target: Floats) -> float:
    observed = target[~np.isnan(target)]
    return float(np.abs(observed.astype(np.float64)).mean()) if len(observed) else 0.0
