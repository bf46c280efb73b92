"""The metrics of an epoch under Keras' names."""

from __future__ import annotations

import numpy as np
import torch

from sagewright_algorithms.common.ranking import roc_auc

_TOP = 5


class Epoch:
    """Collects logits, targets and losses where the network computes."""

    def __init__(self) -> None:
        self._logits: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._loss: list[torch.Tensor] = []

    def add(self, logits: torch.Tensor, targets: torch.Tensor, loss: torch.Tensor) -> None:
        """A batch: logits (N, outputs), class numbers (N), the mean loss."""
        self._logits.append(logits.detach())
        self._targets.append(targets)
        self._loss.append(loss.detach() * len(targets))

    def values(self) -> dict[str, float]:
        """loss, accuracy, and what else there is for so many classes."""
        logits, targets = torch.cat(self._logits), torch.cat(self._targets)
        loss = float(torch.stack(self._loss).sum()) / len(targets)
        if logits.shape[1] == 1:
            return {"loss": loss, **_binary(logits[:, 0].cpu(), targets.cpu())}
        found = {"loss": loss, "accuracy": float((logits.argmax(1) == targets).double().mean())}
        if logits.shape[1] > _TOP:
            hits = (logits.topk(_TOP).indices == targets[:, None]).any(1)
            found[f"top_{_TOP}_accuracy"] = float(hits.double().mean())
        return found


def _binary(logits: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    predicted, real = logits > 0, targets == 1
    hits = float((predicted & real).sum())
    scores, labels = logits.numpy().astype(np.float32), real.numpy().astype(np.float64)
    return {
        "accuracy": float((predicted == real).double().mean()),
        "precision": hits / max(float(predicted.sum()), 1.0),
        "recall": hits / max(float(real.sum()), 1.0),
        "auc": roc_auc(scores, labels),
        "prc": _average_precision(scores, labels),
    }


def _average_precision(
    scores: np.ndarray[tuple[int], np.dtype[np.float32]], labels: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    """The area below the curve of precision over recall; 0 without a positive example."""
    if not labels.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores count together
    recall, precision = hits[ends] / hits[-1], hits[ends] / (ends + 1)
    return float((np.diff(recall, prepend=0.0) * precision).sum())
