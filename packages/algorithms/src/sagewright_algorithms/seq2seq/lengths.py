"""How long a target may become, from the lengths of the training pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.matrix import Integers

_DEVIATIONS, _EXTRA = 2, 5


@dataclass(frozen=True, slots=True)
class LengthRatio:
    """Of targets over their sources."""

    mean: float
    deviation: float

    def longest(self, sources: Integers, most: int) -> Integers:
        """For sources of these lengths: two standard deviations above the mean, and a little for short ones."""
        usual = np.ceil(sources * (self.mean + _DEVIATIONS * self.deviation)).astype(np.int64)
        return np.asarray(np.minimum(usual + _EXTRA, most), np.int64)
