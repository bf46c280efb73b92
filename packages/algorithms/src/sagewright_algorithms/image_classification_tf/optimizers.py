"""Optimizers under Keras' names, with Keras' parameters."""

from __future__ import annotations

import torch
from torch import nn

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters


def build(wanted: Hyperparameters, network: nn.Module) -> torch.optim.Optimizer:
    """Over what the network trains. Raises ClientError."""
    name, rate = wanted.text("optimizer"), wanted.number("learning_rate")
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    momentum, rho, epsilon = wanted.number("momentum"), wanted.number("rho"), wanted.number("epsilon")
    if name == "adam":
        return torch.optim.Adam(weights, rate, (_below_one(wanted, "beta_1"), _below_one(wanted, "beta_2")), epsilon)
    if name in ("sgd", "nesterov"):
        return torch.optim.SGD(weights, rate, momentum, nesterov=name == "nesterov" and momentum > 0)
    if name == "rmsprop":
        return torch.optim.RMSprop(weights, rate, rho, epsilon, momentum=momentum)
    if name == "adagrad":
        start = wanted.number("initial_accumulator_value")
        return torch.optim.Adagrad(weights, rate, initial_accumulator_value=start, eps=epsilon)
    return torch.optim.Adadelta(weights, rate, rho, epsilon)


def _below_one(wanted: Hyperparameters, name: str) -> float:
    """A decay of 1 would divide by zero."""
    value = wanted.number(name)
    if value >= 1:
        raise ClientError(f"{name}={value:g} must be less than 1 for the optimizer adam")
    return value
