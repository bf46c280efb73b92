"""One update of the weights, with the learning rate of its time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_value_

from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.seq2seq.network import Network
from sagewright_algorithms.seq2seq.schedule import LearningRate

_RMSPROP_DECAY = 0.9  # MXNet's


class Optimizer:
    """optimizer_type, lr_scheduler_type and clip_gradient."""

    def __init__(self, wanted: Hyperparameters, network: Network) -> None:
        self._parameters = list(network.parameters())
        self._optimizer = _optimizer(wanted, self._parameters)
        self._clip = wanted.number("clip_gradient")
        self.rate = LearningRate(
            wanted.text("lr_scheduler_type"),
            wanted.number("learning_rate"),
            wanted.number("plateau_reduce_lr_factor"),
            wanted.integer("plateau_reduce_lr_threshold"),
            wanted.integer("fixed_rate_lr_half_life") * wanted.integer("checkpoint_frequency_num_batches"),
        )

    def step(self, loss: Tensor, update: int) -> None:
        """Downhill; ``update`` counts from 0."""
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self._clip >= 0:
            clip_grad_value_(self._parameters, self._clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate.at(update)
        self._optimizer.step()


def _optimizer(wanted: Hyperparameters, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    kind, rate, decay = wanted.text("optimizer_type"), wanted.number("learning_rate"), wanted.number("weight_decay")
    if kind == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=wanted.number("momentum", 0.0), weight_decay=decay, fused=True)
    if kind == "rmsprop":
        return torch.optim.RMSprop(parameters, rate, alpha=_RMSPROP_DECAY, weight_decay=decay)
    return torch.optim.Adam(parameters, rate, weight_decay=decay, fused=True)
