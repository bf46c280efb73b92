"""The optimizers of MXNet that the hyperparameter names, in torch's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, Optimizer, RMSprop

from sagewright_algorithms.common.data_parallel import DataParallel

_OPTIMIZERS: dict[str, Callable[[Iterable[Any], float], Optimizer]] = {
    "sgd": lambda groups, rate: SGD(groups, lr=rate),
    "adam": lambda groups, rate: Adam(groups, lr=rate),
    "adagrad": lambda groups, rate: Adagrad(groups, lr=rate, eps=1e-7),
    # MXNet's AdaDelta has no learning rate: it chooses the length of its steps by itself.
    "adadelta": lambda groups, rate: Adadelta(groups, lr=1.0, rho=0.9, eps=1e-5),
    "rmsprop": lambda groups, rate: RMSprop(groups, lr=rate, alpha=0.9, eps=1e-8),
}


class Steps:
    """One step at a time: gradients are scaled, then cut, then followed."""

    def __init__(
        self, network: nn.Module, hosts: DataParallel, name: str, rate: float, decay: float, scale: float, cut: float
    ) -> None:
        """``decay`` is that of weights; biases have none."""
        weights = [value for value in network.parameters() if value.ndim > 1]
        others = [value for value in network.parameters() if value.ndim <= 1]
        groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self._parameters = [*weights, *others]
        self._optimizer = _OPTIMIZERS[name](groups, rate)
        self._hosts, self._scale, self._cut = hosts, scale, cut

    def step(self, losses: torch.Tensor) -> None:
        """Along the slope of their mean; one loss per document."""
        self._optimizer.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        self._hosts.share_gradients(len(losses))
        if self._scale != 1:
            for value in self._parameters:
                if value.grad is not None:
                    value.grad *= self._scale
        if self._cut != float("inf"):
            nn.utils.clip_grad_value_(self._parameters, self._cut)
        self._optimizer.step()
