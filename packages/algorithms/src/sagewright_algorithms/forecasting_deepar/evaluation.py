"""The test channel: the last steps of each series are predicted from what came before, and compared (DG:deepar)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common import log
from sagewright_algorithms.common.cluster import ALONE, Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.forecasting_deepar.forecasting import Forecaster
from sagewright_algorithms.forecasting_deepar.forecasting import quantiles as nearest
from sagewright_algorithms.forecasting_deepar.series import Series

_LOGGED_BATCHES = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """``weighted`` has one loss per quantile, divided by the sum of the magnitudes."""

    rmse: float
    absolute: float
    weighted: dict[float, float]

    def named(self) -> dict[str, float]:
        """As the log names them."""
        means = {"RMSE": self.rmse, "mean_absolute_QuantileLoss": self.absolute, "mean_wQuantileLoss": self.mean_weighted}
        return means | {f"wQuantileLoss[{quantile}]": loss for quantile, loss in self.weighted.items()}

    @property
    def mean_weighted(self) -> float:
        """Over the quantiles."""
        return float(np.mean(list(self.weighted.values())))


def score(
    forecaster: Forecaster,
    series: Sequence[Series],
    quantiles: Sequence[float],
    samples: int,
    cluster: Cluster = ALONE,
    parts: int = 1,
) -> Scores:
    """``parts``: so many hosts have these series, too. Raises ClientError when no series has more steps than the prediction."""
    length = forecaster.design.prediction_length
    usable = [item for item in series if len(item.target) > length]
    if not cluster.most(len(usable)):
        raise ClientError(f"all test time series are too short: they need more than prediction_length ({length}) values")
    log.info(f"Evaluating model accuracy on testset using {samples} samples")
    sums = np.zeros(3 + len(quantiles))
    for number, (paths, batch) in enumerate(_predicted(forecaster, usable, samples), 1):
        sums += _sums(paths, np.stack([item.target[-length:] for item in batch]), quantiles)
        if number % _LOGGED_BATCHES == 0:
            log.info(f"Number of test batches scored: {number}")
    observed, squares, magnitudes, *losses = (cluster.sum(sums) / parts).tolist()
    if not observed:
        raise ClientError("the test time series have no observed values in the last prediction_length steps")
    weighted = {
        quantile: loss / magnitudes if magnitudes else float("nan") for quantile, loss in zip(quantiles, losses, strict=True)
    }
    return Scores(float(np.sqrt(squares / observed)), float(np.mean(losses)), weighted)


def _predicted(forecaster: Forecaster, series: Sequence[Series], samples: int) -> Iterator[tuple[Floats, Sequence[Series]]]:
    size = forecaster.rows_at_once(samples)
    length = forecaster.design.prediction_length
    for start in range(0, len(series), size):
        batch = series[start : start + size]
        yield forecaster.paths([item.without_end(length) for item in batch], samples), batch


def _sums(paths: Floats, actual: Floats, quantiles: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Observed values, squared errors of the means, magnitudes, and twice the quantile losses of each quantile."""
    observed = ~np.isnan(actual)
    truth = actual[observed].astype(np.float64)
    mean = paths.mean(axis=1, dtype=np.float64)[observed]
    losses = []
    for quantile, predicted in zip(quantiles, nearest(paths, quantiles), strict=True):
        away = truth - predicted[observed]
        losses.append(2 * np.maximum(quantile * away, (quantile - 1) * away).sum())
    return np.array([len(truth), np.square(truth - mean).sum(), np.abs(truth).sum(), *losses])
