"""Features and target shifted and scaled for training; afterwards folded into the weights, so that serving knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import Doubles, Floats
from sagewright_algorithms.linear_learner.losses import REGRESSOR


@dataclass(frozen=True, slots=True)
class Scaling:
    """x becomes (x - shift) / scale, the target likewise."""

    shift: Doubles
    scale: Doubles
    label_shift: float
    label_scale: float

    @classmethod
    def measured(cls, wanted: Hyperparameters, rows: Floats, labels: Floats, cluster: Cluster) -> Scaling:
        """From ``num_point_for_scaler`` of the rows of all hosts."""
        limit = -(-wanted.integer("num_point_for_scaler") // cluster.size)
        chosen = np.arange(len(rows)) if len(rows) <= limit else cluster.sampler().choice(len(rows), limit, replace=False)
        sample = cluster.rows(rows[chosen].astype(np.float64))
        targets = cluster.rows(labels[chosen].astype(np.float64))
        biased, regression = wanted.flag("use_bias"), wanted.text("predictor_type") == REGRESSOR
        width = rows.shape[1]
        shift = sample.mean(axis=0) if biased and wanted.flag("unbias_data", True) else np.zeros(width)
        scale = sample.std(axis=0) if wanted.flag("normalize_data", True) else np.ones(width)
        shifted = regression and biased and wanted.flag("unbias_label", True)
        scaled = regression and wanted.flag("normalize_label", True)
        deviation = float(targets.std())
        return cls(
            shift,
            np.where(scale > 0, scale, 1.0),
            float(targets.mean()) if shifted else 0.0,
            deviation if scaled and deviation > 0 else 1.0,
        )

    def features(self, rows: Floats) -> Floats:
        """For training and for the scores of unfolded weights."""
        return ((rows - self.shift) / self.scale).astype(np.float32)

    def labels(self, labels: Floats) -> Floats:
        """For training."""
        return np.asarray((labels - self.label_shift) / self.label_scale, np.float32)

    def folded(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Weights [features, classes] and bias [classes] for rows and targets as they are."""
        plain = weights.astype(np.float64) / self.scale[:, None]
        offset = bias.astype(np.float64) - self.shift @ plain
        scale = self.label_scale
        return (plain * scale).astype(np.float32), (offset * scale + self.label_shift).astype(np.float32)
