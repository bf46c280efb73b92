"""How well scores rank."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.common.matrix import Doubles, Floats


def roc_auc(scores: Floats, labels: Doubles) -> float:
    """The chance that a positive row scores higher than a negative one; 0.5 when there is only one class."""
    positives = labels.sum()
    negatives = len(labels) - positives
    if not positives or not negatives:
        return 0.5
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
