"""What the metric lines say about the chosen model on a channel."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.common.matrix import Doubles, Floats, Integers
from sagewright_algorithms.common.ranking import roc_auc

Metrics = dict[str, tuple[float, bool]]
"""By name: the value, and whether more is better."""


def binary(scores: Floats, labels: Floats, threshold: float, beta: float) -> Metrics:
    """``scores`` and ``labels`` [rows]."""
    called, positive = scores >= threshold, labels == 1
    hits = float((called & positive).sum())
    precision, recall = hits / max(called.sum(), 1), hits / max(positive.sum(), 1)
    found = {"binary_classification_accuracy": (float((called == positive).mean()), True)}
    found[f"binary_f_{beta:.3f}"] = (f_score(precision, recall, beta), True)
    found["precision"], found["recall"] = (float(precision), True), (float(recall), True)
    found["roc_auc_score"] = (roc_auc(scores, positive.astype(np.float64)), True)
    return found


def multiclass(scores: Floats, labels: Floats, top: int, beta: float) -> Metrics:
    """``scores`` [rows, classes]."""
    truth = labels.astype(np.int64)
    ranks = (scores > scores[np.arange(len(truth)), truth][:, None]).sum(axis=1)
    predicted = scores.argmax(axis=1)
    precision, recall = _per_class(predicted, truth)
    pairs = zip(precision.tolist(), recall.tolist(), strict=True)
    return {
        "multiclass_accuracy": (float((predicted == truth).mean()), True),
        f"multiclass_top_k_accuracy_{top}": (float((ranks < top).mean()), True),
        "dcg": (float((1 / np.log2(ranks + 2)).mean()), True),
        "macro_recall": (float(recall.mean()), True),
        "macro_precision": (float(precision.mean()), True),
        f"macro_f_{beta:.3f}": (float(np.mean([f_score(*pair, beta) for pair in pairs])), True),
    }


def regression(scores: Floats, labels: Floats) -> Metrics:
    """``scores`` [rows]."""
    errors = scores.astype(np.float64) - labels
    mse = float(np.square(errors).mean())
    return {"mse": (mse, False), "absolute_loss": (float(np.abs(errors).mean()), False), "rmse": (mse**0.5, False)}


def f_score(precision: float, recall: float, beta: float) -> float:
    """0 when both are."""
    weight = beta**2
    below = weight * precision + recall
    return float((1 + weight) * precision * recall / below) if below else 0.0


def _per_class(predicted: Integers, truth: Integers) -> tuple[Doubles, Doubles]:
    """Precision and recall of the classes that occur."""
    size = int(max(predicted.max(), truth.max())) + 1
    hits = np.bincount(truth[predicted == truth], minlength=size)
    called, there = np.bincount(predicted, minlength=size), np.bincount(truth, minlength=size)
    occur = (called + there) > 0
    return (hits / np.maximum(called, 1))[occur], (hits / np.maximum(there, 1))[occur]
