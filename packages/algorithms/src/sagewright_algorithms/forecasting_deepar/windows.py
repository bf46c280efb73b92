"""Windows over time series as the network takes them: the steps of the context and of the prediction, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Floats, Integers
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.series import Series

_NOWHERE = 0  # the place of what lies before a series' first step


@dataclass(frozen=True, slots=True)
class Windows:
    """Arrays over [steps, windows, ...], so that a step is one piece of memory.

    ``lags`` and ``features`` are scaled, ``target`` is not (0 where ``observed`` is 0); ``scale`` [windows], ``log_scale``
    [windows, 1] and ``categories`` [windows, categories] hold for all steps.
    """

    lags: Floats
    features: Floats
    target: Floats
    observed: Floats
    scale: Floats
    log_scale: Floats
    categories: Integers


class Panel:
    """Many series, end to end, from which windows are cut."""

    def __init__(self, design: Design, series: Sequence[Series]) -> None:
        self._design = design
        self._lags = np.array(design.lags, np.int64)
        self._frequency = design.frequency
        self.lengths = np.array([len(item.target) for item in series], np.int64)
        self._places = np.concatenate([[1], 1 + np.cumsum(self.lengths)])
        self._starts = np.array([self._frequency.time(item.start) for item in series], np.int64)
        self._values = np.concatenate([np.array([np.nan], np.float32), *(item.target for item in series)])
        self._own = self._standardised(series)
        self._categories = np.array([item.categories if design.cardinality else () for item in series], np.int64)
        self._categories = self._categories.reshape(len(series), len(design.cardinality))

    def __len__(self) -> int:
        return len(self.lengths)

    def windows(self, which: Integers, cuts: Integers) -> Windows:
        """Of the series ``which``; ``cuts`` are the first steps to be predicted."""
        context = self._design.context_length
        steps = np.arange(-context, self._design.prediction_length)[:, None] + cuts
        inside = self._within(which, steps)
        target = self._values[inside]
        mean, scale = self._level(which, cuts, target[:context])
        missing = np.isnan(target)
        return Windows(
            lags=self._lagged(which, steps, mean / scale, scale),
            features=self._features(which, steps, inside),
            target=np.where(missing, np.float32(0), target),
            observed=(~missing).astype(np.float32),
            scale=scale,
            log_scale=(np.log(scale / np.float32(self._design.scale)) / np.float32(self._design.log_scale_deviation))[:, None],
            categories=self._categories[which],
        )

    def _lagged(self, which: Integers, steps: Integers, mean: Floats, scale: Floats) -> Floats:
        """The scaled values so many steps ago; the scaled mean for a missing one, 0 before the first."""
        places = self._within(which[:, None], steps[:, :, None] - self._lags)
        lagged = np.asarray(self._values[places] / scale[:, None], np.float32)
        gaps = np.nonzero(np.isnan(lagged))
        lagged[gaps] = np.where(places[gaps] == _NOWHERE, 0, mean[gaps[1]])
        return lagged

    def _within(self, which: Integers, steps: Integers) -> Integers:
        """Places of the steps of series; NOWHERE before the first."""
        return np.where(steps >= 0, self._places[which] + steps, _NOWHERE)

    def _level(self, which: Integers, cuts: Integers, context: Floats) -> tuple[Floats, Floats]:
        """The mean of each context and of its magnitudes: what stands in for a missing value, and the scale."""
        observed = ~np.isnan(context)
        count = np.maximum(observed.sum(axis=0), 1)
        mean = np.where(observed, context, 0).sum(axis=0) / count
        scale = np.where(observed, np.abs(context), 0).sum(axis=0) / count
        for row in np.flatnonzero(scale <= 0):
            scale[row] = self._scale_before(int(which[row]), int(cuts[row]))
        return mean.astype(np.float32), scale.astype(np.float32)

    def _scale_before(self, series: int, cut: int) -> float:
        """Of all that is known when the context is empty, or zero throughout."""
        known = self._values[self._places[series] : self._places[series] + max(cut, 0)]
        magnitudes = np.abs(known[~np.isnan(known)])
        return float(magnitudes.mean()) if magnitudes.any() else self._design.scale

    def _features(self, which: Integers, steps: Integers, inside: Integers) -> Floats:
        of_time = self._frequency.describe(self._starts[which] + steps * self._frequency.step)
        return of_time if self._own is None else np.concatenate([of_time, self._own[inside]], axis=2)

    def _standardised(self, series: Sequence[Series]) -> npt.NDArray[np.float32] | None:
        """The user's features at each place, [places, features]."""
        if not self._design.num_dynamic_feat:
            return None
        table = np.concatenate([item.features.T for item in series if item.features is not None])
        scaled = (table - np.array(self._design.feature_mean, np.float32)) / np.array(
            self._design.feature_deviation, np.float32
        )
        return np.concatenate([np.zeros((1, scaled.shape[1]), np.float32), scaled.astype(np.float32)])
