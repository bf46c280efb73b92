"""A trained model at work: series in, sampled paths of what follows out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.network import Network, Tensors
from sagewright_algorithms.forecasting_deepar.series import Series
from sagewright_algorithms.forecasting_deepar.windows import Panel

_PATHS_AT_ONCE = 10_000


def quantiles(paths: Floats, levels: Sequence[float]) -> Floats:
    """[levels, series, prediction length] of ``paths`` [series, samples, prediction length]: the sample of the nearest rank."""
    ranks = [round((paths.shape[1] - 1) * level) for level in levels]
    return np.ascontiguousarray(np.sort(paths, axis=1)[:, ranks].transpose(1, 0, 2))


class Forecaster:
    """See the module docstring."""

    def __init__(self, design: Design, network: Network, device: torch.device) -> None:
        self.design = design
        self._network = network.eval()
        self._device = device

    def rows_at_once(self, samples: int) -> int:
        """How many series one call of ``paths`` should get, so that memory stays bounded."""
        return max(1, _PATHS_AT_ONCE // samples)

    def paths(self, series: Sequence[Series], samples: int) -> Floats:
        """[series, samples, prediction length]. The series end with ``prediction_length`` unknown steps."""
        panel = Panel(self.design, series)
        cuts = panel.lengths - self.design.prediction_length
        given = Tensors.of(panel.windows(np.arange(len(panel)), cuts), self._device)
        return np.asarray(self._network.forecast(given, samples).cpu().numpy())
