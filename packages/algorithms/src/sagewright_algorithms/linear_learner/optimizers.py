"""Adam, RMSProp and SGD on the weights of all models at once, each model with its own learning rate."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.linear_learner.models import Models, Settings, optimizer

_EPSILON = np.float32(1e-8)
_RMSPROP_DECAY = np.float32(0.9)
_SCHEDULE = (10, 0.99, 1e-5)
"""Steps between cuts, factor, least rate: what "auto" means."""


class Optimizer:
    """Moves models along slopes; shrinks weights towards zero (l1) after the step."""

    def __init__(self, wanted: Hyperparameters, settings: Settings, models: Models) -> None:
        self._kind = optimizer(wanted)
        self._settings = settings
        self._biased = wanted.flag("use_bias")
        self._bias_rate = np.float32(wanted.number("bias_lr_mult", 1.0))
        self._bias_decay = np.float32(wanted.number("bias_wd_mult", 0.0))
        self._beta_1 = np.float32(wanted.number("beta_1", 0.9))
        self._beta_2 = np.float32(wanted.number("beta_2", 0.999))
        self._momentum = np.float32(wanted.number("momentum", 0.9 if self._kind == "sgd" else 0.0))
        self._every = wanted.integer("lr_scheduler_step", _SCHEDULE[0])
        self._factor = wanted.number("lr_scheduler_factor", _SCHEDULE[1]) if wanted.flag("use_lr_scheduler") else 1.0
        self._least = np.float32(wanted.number("lr_scheduler_minimum_lr", _SCHEDULE[2]))
        self._step = 0
        self._states = [np.zeros((2, *part.shape), np.float32) for part in (models.weights, models.bias)]

    def step(self, models: Models, slopes: Floats, bias_slopes: Floats) -> None:
        """``slopes`` like the weights, ``bias_slopes`` like the bias: of the mean loss."""
        rates = self._rates()
        self._step += 1
        decays = self._settings.decays[:, None]
        mean, scale = self._moments(self._states[0], slopes + decays * models.weights)
        models.weights -= rates * mean * scale
        if self._settings.sparsities.any():  # the threshold is scaled as the step is, so that both balance where they should
            shrink = rates * self._settings.sparsities[:, None] * scale
            models.weights[:] = np.sign(models.weights) * np.maximum(np.abs(models.weights) - shrink, 0)
        if self._biased:
            mean, scale = self._moments(self._states[1], bias_slopes + self._bias_decay * decays * models.bias)
            models.bias -= self._bias_rate * rates * mean * scale

    def _rates(self) -> Floats:
        """Of each model at this step, as a column."""
        initial = self._settings.rates
        cut = initial * np.float32(self._factor ** (self._step // self._every))
        return np.asarray(np.maximum(cut, np.minimum(self._least, initial)))[:, None]

    def _moments(self, state: Floats, slopes: Floats) -> tuple[Floats, Floats]:
        """The direction of the step and what each of its entries is multiplied by; ``state`` holds two arrays like the slopes."""
        if self._kind == "sgd":
            state[0] = self._momentum * state[0] + slopes
            return state[0], np.ones_like(slopes)
        if self._kind == "rmsprop":
            state[1] += (1 - _RMSPROP_DECAY) * (np.square(slopes) - state[1])
            return slopes, np.asarray(1 / (np.sqrt(state[1]) + _EPSILON))
        state[0] += (1 - self._beta_1) * (slopes - state[0])
        state[1] += (1 - self._beta_2) * (np.square(slopes) - state[1])
        mean = state[0] / np.float32(1 - float(self._beta_1) ** self._step)
        square = state[1] / np.float32(1 - float(self._beta_2) ** self._step)
        return np.asarray(mean), np.asarray(1 / (np.sqrt(square) + _EPSILON))
