"""The model: w0 + x·w + ½ Σ ((xV)² − x²V²), its slopes, and Adam on the parts of it that a batch touches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import CompressedRows, Floats, Integers, Rows, WrongWidthError

_BETA_1, _BETA_2 = np.float32(0.9), np.float32(0.999)
_EPSILON = 1e-8
_PARTS = ("bias", "linear", "factors")


@dataclass(slots=True)
class Machine:
    """``bias`` [1], ``linear`` [features] and ``factors`` [features, factors]."""

    bias: Floats
    linear: Floats
    factors: Floats

    @classmethod
    def started(cls, wanted: Hyperparameters, random: np.random.Generator) -> Machine:
        """By the three init methods."""
        width = wanted.integer("feature_dim")
        shapes: dict[str, tuple[int, ...]] = {
            "bias": (1,),
            "linear": (width,),
            "factors": (width, wanted.integer("num_factors")),
        }
        return cls(*(_started(wanted, part, shapes[part], random) for part in _PARTS))

    def scores(self, rows: csr_matrix) -> Floats:
        """[rows]: log odds, or the target itself."""
        mixed = rows @ self.factors
        squares = _squared(rows) @ np.square(self.factors)
        return np.asarray(self.bias + rows @ self.linear + (np.square(mixed) - squares).sum(axis=1) / 2, np.float32)


def _started(wanted: Hyperparameters, part: str, shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    method = wanted.text(f"{part}_init_method")
    if method == "constant":
        return np.full(shape, wanted.number(f"{part}_init_value", 0.0), np.float32)
    if method == "uniform":
        scale = wanted.number(f"{part}_init_scale", 0.001)
        return random.uniform(-scale, scale, shape).astype(np.float32)
    return random.normal(0, wanted.number(f"{part}_init_sigma"), shape).astype(np.float32)


def sparse(rows: Rows, width: int) -> csr_matrix:
    """Rows as SciPy's compressed rows. Raises WrongWidthError."""
    given = rows.width if isinstance(rows, CompressedRows) else rows.shape[1]
    if given > width or (given != width and not isinstance(rows, CompressedRows)):
        raise WrongWidthError(given, width)
    if isinstance(rows, CompressedRows):
        return csr_matrix((rows.values, rows.indices, rows.starts), (len(rows), width))
    return csr_matrix(rows)


def _squared(rows: csr_matrix) -> csr_matrix:
    return csr_matrix((np.square(rows.data), rows.indices, rows.indptr), rows.shape)


class Trainer:
    """Takes steps. Features that no row of a batch has are left alone: their moments wait until they are seen."""

    def __init__(self, wanted: Hyperparameters, machine: Machine) -> None:
        self._machine = machine
        self._rates = {part: np.float32(wanted.number(f"{part}_lr")) for part in _PARTS}
        self._decays = {part: np.float32(wanted.number(f"{part}_wd")) for part in _PARTS}
        self._rescale = np.float32(wanted.number("rescale_grad", 1.0))
        self._clip = wanted.number("clip_gradient", np.inf)
        self._epsilon = np.float32(wanted.number("eps", _EPSILON))
        self._moments = {part: np.zeros((2, *getattr(machine, part).shape), np.float32) for part in _PARTS}
        self._steps = {part: np.zeros(len(getattr(machine, part)), np.int64) for part in _PARTS}

    def step(self, rows: csr_matrix, errors: Floats) -> None:
        """``errors``: the slope of each row's loss along its score."""
        machine, shares = self._machine, errors / np.float32(len(errors))
        seen = np.unique(rows.indices)
        narrow = rows[:, seen]
        mixed = narrow @ machine.factors[seen]
        weights = np.asarray(narrow.T @ shares)
        curvature = np.asarray(_squared(narrow).T @ shares)[:, None] * machine.factors[seen]
        factors = np.asarray(narrow.T @ (shares[:, None] * mixed)) - curvature
        self._move("bias", np.zeros(1, np.int64), shares.sum(keepdims=True))
        self._move("linear", seen, weights)
        self._move("factors", seen, factors)

    def _move(self, part: str, seen: Integers, slopes: Floats) -> None:
        """Adam on the entries ``seen``."""
        values, moments, steps = getattr(self._machine, part), self._moments[part], self._steps[part]
        slopes = np.clip(slopes * self._rescale, -self._clip, self._clip) + self._decays[part] * values[seen]
        steps[seen] += 1
        mean = moments[0, seen] + (1 - _BETA_1) * (slopes - moments[0, seen])
        square = moments[1, seen] + (1 - _BETA_2) * (np.square(slopes) - moments[1, seen])
        moments[0, seen], moments[1, seen] = mean, square
        taken = steps[seen].reshape(-1, *[1] * (slopes.ndim - 1)).astype(np.float32)
        mean, square = mean / (1 - _BETA_1**taken), square / (1 - _BETA_2**taken)
        values[seen] -= (self._rates[part] * mean / (np.sqrt(square) + self._epsilon)).astype(np.float32)
