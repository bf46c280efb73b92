"""Epochs over pairs, and how well a network tells them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sagewright_algorithms.common.matrix import Integers
from sagewright_algorithms.common.sequences import Sequences
from sagewright_algorithms.object2vec import batches
from sagewright_algorithms.object2vec.network import Network
from sagewright_algorithms.object2vec.optimizers import Steps
from sagewright_algorithms.object2vec.pairs import Pairs

_EVALUATED_TOGETHER = 512


class Training:
    """``negatives``: pairs made up for each real one, of its in0 and the in1 of other pairs of the batch."""

    def __init__(self, network: Network, steps: Steps, negatives: int, random: np.random.Generator) -> None:
        self._network, self._steps = network, steps
        self._negatives, self._random = negatives, random

    def epoch(self, pairs: Pairs, size: int, bucket_width: int) -> dict[str, float]:
        """One pass; the metrics of its batches, made-up pairs included."""
        self._network.train()
        totals = _Totals(self._network)
        for batch in batches.shuffled(pairs, size, bucket_width, self._random):
            outputs, labels = self._with_negatives(*_encoded(self._network, pairs, batch))
            loss = _loss(self._network, outputs, labels)
            self._steps.take(loss)
            totals.add(loss, outputs, labels)
        return totals.metrics()

    def _with_negatives(self, left: Tensor, right: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and labels."""
        count, others = (self._negatives, len(labels) - 1) if len(labels) > 1 else (0, 0)
        shifts = self._random.choice(others, count, replace=count > others) + 1 if count else ()
        rights = [right, *(right.roll(int(shift), 0) for shift in shifts)]
        outputs = self._network.compare(left.repeat(len(rights), 1), torch.cat(rights))
        return outputs, torch.cat([labels, labels.new_zeros(count * len(labels))])


def evaluate(network: Network, pairs: Pairs) -> dict[str, float]:
    """The metrics of pairs as they are."""
    network.eval()
    totals = _Totals(network)
    with torch.inference_mode():
        for batch in batches.by_length(pairs.left.lengths + pairs.right.lengths, _EVALUATED_TOGETHER):
            left, right, labels = _encoded(network, pairs, batch)
            outputs = network.compare(left, right)
            totals.add(_loss(network, outputs, labels), outputs, labels)
    return totals.metrics()


def placed(network: Network, sequences: Sequences) -> tuple[Tensor, Tensor]:
    """Tokens and starts where the network is."""
    device = network.tables[0].device
    return torch.from_numpy(sequences.tokens).to(device), torch.from_numpy(sequences.starts).to(device)


def _encoded(network: Network, pairs: Pairs, batch: Integers) -> tuple[Tensor, Tensor, Tensor]:
    left, right = (
        network.encode(number, *placed(network, side.take(batch))) for number, side in enumerate((pairs.left, pairs.right))
    )
    return left, right, torch.from_numpy(pairs.labels[batch]).to(left.device)


def _loss(network: Network, outputs: Tensor, labels: Tensor) -> Tensor:
    if network.settings.regression:
        return functional.mse_loss(outputs[:, 0], labels)
    return functional.cross_entropy(outputs, labels.long())


class _Totals:
    """Sums stay where the network is: asking for a number would wait for the GPU."""

    def __init__(self, network: Network) -> None:
        self._regression = network.settings.regression
        self._rows = 0
        self._loss: Tensor | float = 0.0
        self._right: Tensor | float = 0.0

    def add(self, loss: Tensor, outputs: Tensor, labels: Tensor) -> None:
        self._rows += len(labels)
        self._loss = self._loss + loss.detach() * len(labels)
        self._right = self._right + (outputs.detach().argmax(dim=1) == labels).sum()

    def metrics(self) -> dict[str, float]:
        loss = float(self._loss) / self._rows
        if self._regression:
            return {"mean_squared_error": loss}
        return {"cross_entropy": loss, "accuracy": float(self._right) / self._rows}


def loss_of(metrics: Mapping[str, float]) -> float:
    """What early stopping looks at."""
    return metrics.get("mean_squared_error", metrics.get("cross_entropy", float("nan")))
