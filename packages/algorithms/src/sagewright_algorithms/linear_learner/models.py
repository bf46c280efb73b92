"""The models that are trained side by side: one array of weights, and each model's own settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import Floats

DEFAULT_MODELS = 32
_LEARNING_RATES = {"adam": 0.03, "rmsprop": 0.01, "sgd": 0.1}
_RATE_FACTORS = (1.0, 0.3, 3.0, 0.1)
_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)
_DECAY_FACTORS = (1.0, 0.1, 0.01, 10.0)
_SPARSITIES = (0.0, 1e-4)
_SPARSITY_FACTORS = (1.0, 0.1)


@dataclass(frozen=True, slots=True)
class Settings:
    """One value per model."""

    rates: Floats
    decays: Floats
    sparsities: Floats

    def __len__(self) -> int:
        return len(self.rates)


def settings(wanted: Hyperparameters) -> Settings:
    """What the user set, for the first model; the others are near it. A tuning job trains one model."""
    number = 1 if wanted.was_sent("_tuning_objective_metric") else wanted.integer("num_models", DEFAULT_MODELS)
    rate = wanted.number("learning_rate", _LEARNING_RATES[optimizer(wanted)])
    decays = _near(wanted, "wd", _DECAYS, _DECAY_FACTORS)
    sparsities = _near(wanted, "l1", _SPARSITIES, _SPARSITY_FACTORS)
    rates = tuple(rate * factor for factor in _RATE_FACTORS)
    grid = [(r, d, s) for s in sparsities for d in decays for r in rates]
    chosen = np.array([grid[place % len(grid)] for place in range(number)], np.float32)
    return Settings(chosen[:, 0], chosen[:, 1], chosen[:, 2])


def optimizer(wanted: Hyperparameters) -> str:
    """auto means adam."""
    return wanted.text("optimizer") if wanted.is_set("optimizer") else "adam"


def _near(wanted: Hyperparameters, name: str, automatic: tuple[float, ...], factors: tuple[float, ...]) -> tuple[float, ...]:
    if not wanted.is_set(name):
        return automatic
    value = wanted.number(name)
    return tuple(dict.fromkeys(value * factor for factor in factors))


@dataclass(slots=True)
class Models:
    """``weights`` [features, models, classes] and ``bias`` [models, classes]."""

    weights: Floats
    bias: Floats

    @classmethod
    def started(cls, wanted: Hyperparameters, width: int, number: int, classes: int, random: np.random.Generator) -> Models:
        """All models start alike."""
        shape = (width, 1, classes)
        if wanted.text("init_method") == "uniform":
            scale = wanted.number("init_scale")
            first = random.uniform(-scale, scale, shape)
        else:
            first = random.normal(0, wanted.number("init_sigma"), shape)
        bias = np.full((number, classes), wanted.number("init_bias") if wanted.flag("use_bias") else 0.0, np.float32)
        return cls(np.repeat(first.astype(np.float32), number, axis=1), bias)

    def scores(self, rows: Floats) -> Floats:
        """[rows, models, classes]: one matrix product for all."""
        width, number, classes = self.weights.shape
        product = rows @ self.weights.reshape(width, number * classes)
        return np.asarray(product.reshape(len(rows), number, classes) + self.bias)
