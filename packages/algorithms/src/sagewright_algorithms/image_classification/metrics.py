"""Accuracy over many batches, counted where the network computes: nothing waits for a GPU until a value is asked for."""

from __future__ import annotations

import numpy as np
import torch

from sagewright_algorithms.common.cluster import Cluster


class Counts:
    """``top_k`` 0: accuracy only. With several labels, accuracy is the mean over classes of how many are told right."""

    def __init__(self, top_k: int, multi_label: bool, device: torch.device) -> None:
        self._top_k, self._multi_label = top_k, multi_label
        self._right = torch.zeros(2, dtype=torch.float64, device=device)
        self._examples = 0

    def add(self, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """A batch: logits (N, classes), targets (N) or (N, classes)."""
        self._examples += len(logits)
        if self._multi_label:
            self._right[0] += ((logits > 0) == (targets > 0.5)).double().mean(1).sum()
            return
        self._right[0] += (logits.argmax(1) == targets).sum()
        if self._top_k:
            self._right[1] += (logits.topk(self._top_k).indices == targets[:, None]).sum()

    def gather(self, cluster: Cluster) -> None:
        """What all hosts have counted."""
        total = cluster.sum(np.array([*self._right.tolist(), self._examples]))
        self._right = torch.from_numpy(total[:2])
        self._examples = round(total[2])

    def values(self) -> dict[str, float]:
        """By MXNet's name of the metric."""
        accuracy, top = (self._right / max(self._examples, 1)).tolist()
        return {"accuracy": accuracy} | (
            {f"top_k_accuracy_{self._top_k}": top} if self._top_k and not self._multi_label else {}
        )
