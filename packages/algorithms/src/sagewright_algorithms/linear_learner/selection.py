"""Which model is the best, and for two classes from which score on a row is positive (DG:linear-learner, model calibration)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import Doubles, Floats


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows that score ``threshold`` or more are positive; ``value`` says how good that is."""

    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Criterion:
    """``name`` is one of binary_classifier_model_selection_criteria."""

    name: str
    beta: float
    target_precision: float
    target_recall: float

    @classmethod
    def wanted(cls, wanted: Hyperparameters) -> Criterion:
        """The job's."""
        return cls(
            wanted.text("binary_classifier_model_selection_criteria"),
            wanted.number("f_beta"),
            wanted.number("target_precision"),
            wanted.number("target_recall"),
        )

    def best_cut(self, scores: Floats, labels: Floats) -> Cut:
        """Over every threshold that tells two rows apart."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order].astype(np.float64)
        last = np.append(ranked[1:] != ranked[:-1], True)
        hits = np.cumsum(labels[order], dtype=np.float64)[last]
        called = np.arange(1, len(scores) + 1, dtype=np.float64)[last]
        values = self._values(hits, called, float(labels.sum()), len(labels))
        thresholds = ranked[last]
        best = int(values.argmax())
        below = thresholds[best + 1] if best + 1 < len(thresholds) else thresholds[best]
        return Cut(float(values[best]), float((thresholds[best] + below) / 2))

    def _values(self, hits: Doubles, called: Doubles, positives: float, rows: int) -> Doubles:
        """Of each cut: ``hits`` of the ``called`` rows are positive. Where a target is missed, the nearest miss is the best."""
        precision, recall = hits / called, hits / max(positives, 1.0)
        if self.name == "f_beta":
            weight = self.beta**2
            return np.asarray((1 + weight) * hits / np.maximum(called + weight * positives, 1e-12))
        if self.name == "precision_at_target_recall":
            return np.where(recall >= self.target_recall, precision, recall - 2)
        if self.name == "recall_at_target_precision":
            return np.where(precision >= self.target_precision, recall, precision - 2)
        return np.asarray((2 * hits - called + rows - positives) / rows)  # accuracy


def best_model(losses: Doubles) -> int:
    """By the loss; models that diverged never win."""
    return int(np.where(np.isfinite(losses), losses, np.inf).argmin())
