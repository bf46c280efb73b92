"""The optimizers that AWS names, with Keras' meaning of their hyperparameters, and adamw's warm-up and decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from sagewright_algorithms.common.hyperparameters import Hyperparameters

_WEIGHT_DECAY = 0.01  # of adamw, as in BERT's own fine-tuning


def of(name: str, wanted: Hyperparameters, weights: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """``name`` is a choice of the hyperparameter ``optimizer``."""
    rate, epsilon = wanted.number("learning_rate"), wanted.number("epsilon")
    betas = (min(wanted.number("beta_1"), _BELOW_ONE), min(wanted.number("beta_2"), _BELOW_ONE))
    momentum, rho = wanted.number("momentum"), wanted.number("rho")
    start = wanted.number("initial_accumulator_value")
    made: dict[str, Any] = {
        "adam": lambda: torch.optim.Adam(weights, rate, betas, epsilon),
        "adamw": lambda: torch.optim.AdamW(weights, rate, betas, epsilon, weight_decay=_WEIGHT_DECAY),
        "sgd": lambda: torch.optim.SGD(weights, rate, momentum),
        "nesterov": lambda: torch.optim.SGD(weights, rate, momentum, nesterov=momentum > 0),
        "rmsprop": lambda: torch.optim.RMSprop(weights, rate, rho, epsilon),
        "adagrad": lambda: torch.optim.Adagrad(weights, rate, initial_accumulator_value=start, eps=epsilon),
        "adadelta": lambda: torch.optim.Adadelta(weights, rate, rho, epsilon),
    }
    optimizer: torch.optim.Optimizer = made[name]()
    return optimizer


def schedule(name: str, optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> LambdaLR:
    """adamw warms up for a share of the steps and then falls to zero; the others keep their rate."""
    rising = int(steps * warmup)

    def factor(step: int) -> float:
        if name != "adamw":
            return 1.0
        return (step + 1) / (rising + 1) if step < rising else max(0.0, (steps - step) / max(1, steps - rising))

    return LambdaLR(optimizer, factor)


_BELOW_ONE = 1 - 1e-7  # AWS lets 1.0 pass, with which nothing is ever learned
