"""Optimizers under MXNet's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sagewright_algorithms.common.errors import ClientError

_WITH_MOMENTUM = ("sgd", "nag")
_ADADELTA = (0.9, 1e-5)  # MXNet's decay and epsilon; its AdaDelta has no learning rate


@dataclass(frozen=True, slots=True)
class Choice:
    """``name`` is sgd, nag, adam, rmsprop, adadelta or adagrad; each takes of the rest what it knows.

    ``gamma`` is RMSProp's decay, ``gamma2`` its momentum. ``weight_decay`` counts for the optimizers in ``decayed``.
    """

    name: str
    rate: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    gamma: float = 0.9
    gamma2: float = 0.0
    decayed: tuple[str, ...] = _WITH_MOMENTUM


def build(choice: Choice, model: nn.Module) -> torch.optim.Optimizer:
    """Only weights decay, and the scales of batch norms (MXNet's wd_mult): biases and shifts do not."""
    decay = choice.weight_decay if choice.name in choice.decayed else 0.0
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [weight for name, weight in named if name.endswith("weight")], "weight_decay": decay},
        {"params": [weight for name, weight in named if not name.endswith("weight")], "weight_decay": 0.0},
    ]
    return _of(choice, [group for group in groups if group["params"]])


def _of(choice: Choice, groups: Iterable[Mapping[str, Any]]) -> torch.optim.Optimizer:
    rate, given = choice.rate, [dict(group) for group in groups]
    if choice.name in _WITH_MOMENTUM:
        nesterov = choice.name == "nag" and choice.momentum > 0
        return torch.optim.SGD(given, rate, choice.momentum, nesterov=nesterov)
    if choice.name == "adam":
        return torch.optim.Adam(given, rate, (choice.beta_1, choice.beta_2), choice.epsilon)
    if choice.name == "rmsprop":
        return torch.optim.RMSprop(given, rate, choice.gamma, choice.epsilon, momentum=choice.gamma2)
    if choice.name == "adadelta":
        return torch.optim.Adadelta(given, 1.0, *_ADADELTA)
    if choice.name == "adagrad":
        return torch.optim.Adagrad(given, rate, eps=choice.epsilon)
    raise ClientError(f"{choice.name!r} is not an optimizer")


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """For every parameter; Adadelta has no rate."""
    if isinstance(optimizer, torch.optim.Adadelta):
        return
    for group in optimizer.param_groups:
        group["lr"] = rate
