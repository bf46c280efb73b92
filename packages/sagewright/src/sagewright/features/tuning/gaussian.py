"""Bayesian optimisation by a Gaussian process: few trials, each of them dear. NumPy and SciPy only.

Matérn 5/2 with a length scale for each hyperparameter, fitted to what was told (maximum a posteriori), and expected improvement,
maximised over random points and around the best ones. Running trials count as if they had told what is expected of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import log_ndtr

from sagewright.features.tuning.cube import Array, Cube

ANYWHERE, NEARBY, ROUNDS, SURVIVORS = 1500, 100, 6, 6
"""Candidates all over the space, around each survivor in each round, rounds, and how many points survive one."""
LENGTH, LENGTH_WIDTH = 0.5, 1.0
NOISE, NOISE_WIDTH = 1e-3, 2.0
"""Priors: medians, and standard deviations of their logarithms; losses are scaled to a variance of one."""
LEAST_NOISE = 1e-6
WORST = 3.0
"""Losses further from the median than so many times the best one's distance are all the same: bad."""
_ROOT5 = math.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class Process:
    """A fitted Gaussian process: what it was told, its scales, and K⁻¹y."""

    points: Array
    losses: Array
    lengths: Array
    signal: float
    factor: Any
    weights: Array

    def expected(self, at: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at points."""
        cross = self.signal * _matern(at, self.points, self.lengths)
        mean = cross @ self.weights
        variance = self.signal - np.einsum("ij,ji->i", cross, cho_solve(self.factor, cross.T))
        return mean, np.sqrt(np.maximum(variance, 1e-12))


def suggest(question: dict[str, Any]) -> list[Any]:
    """The coordinates of the next combination. Raises numpy.linalg.LinAlgError where nothing can be fitted."""
    cube, random = Cube(question["ranges"]), np.random.default_rng(question["seed"])
    points = cube.points([coordinates for coordinates, _ in question["told"]])
    losses = _scaled(np.array([loss for _, loss in question["told"]], dtype=float))
    process = _fitted(points, losses)
    best = float(losses.min())
    if question["pending"]:
        running = cube.points(question["pending"])
        lies, _ = process.expected(running)
        process = _conditioned(process, np.vstack([points, running]), np.concatenate([losses, lies]))
    return cube.coordinates(_maximised(process, cube, best, random))


def _scaled(losses: Array) -> Array:
    """Centred, of variance one, and without the worst outliers: how bad something bad is does not matter."""
    middle = float(np.median(losses))
    capped = np.minimum(losses, middle + WORST * max(middle - float(losses.min()), 1e-12))
    width = float(capped.std())
    found: Array = (capped - capped.mean()) / (width if width > 0 else 1.0)
    return found


def _fitted(points: Array, losses: Array) -> Process:
    """The most likely scales under the priors, from the middle of the priors."""
    squares = (points[:, None, :] - points[None, :, :]) ** 2
    columns = points.shape[1]
    start = np.concatenate([np.full(columns, math.log(LENGTH)), [0.0, math.log(NOISE)]])
    bounds = [(math.log(0.02), math.log(20.0))] * columns + [(math.log(0.05), math.log(20.0)), (math.log(LEAST_NOISE), 0.0)]
    found = minimize(misfit, start, (squares, losses), "L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": 60})
    scales: Array = np.exp(found.x)
    return _with_scales(points, losses, scales[:columns], float(scales[columns]), float(scales[columns + 1]))


def misfit(logs: Array, squares: Array, losses: Array) -> tuple[float, Array]:
    """Negative log posterior of the scales (logarithms of lengths, signal, noise), and its gradient."""
    columns = squares.shape[2]
    lengths, signal, noise = np.exp(logs[:columns]), math.exp(logs[columns]), math.exp(logs[columns + 1])
    distance = np.sqrt(np.maximum(squares @ (1.0 / lengths**2), 0.0)) * _ROOT5
    decay = np.exp(-distance)
    kernel = signal * (1.0 + distance + distance**2 / 3.0) * decay
    try:
        factor = cho_factor(kernel + (noise + LEAST_NOISE) * np.eye(len(losses)), lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(logs)
    weights = cho_solve(factor, losses)
    inverse = cho_solve(factor, np.eye(len(losses)))
    value = 0.5 * losses @ weights + float(np.log(np.diag(factor[0])).sum())
    slope = 0.5 * (inverse - np.outer(weights, weights))
    common = slope * (signal * 5.0 / 3.0) * (1.0 + distance) * decay
    gradient = np.concatenate(
        [np.einsum("ij,ijk->k", common, squares) / lengths**2, [float((slope * kernel).sum()), noise * float(np.trace(slope))]]
    )
    medians = np.concatenate([np.full(columns, math.log(LENGTH)), [0.0, math.log(NOISE)]])
    widths = np.concatenate([np.full(columns, LENGTH_WIDTH), [1.0, NOISE_WIDTH]])
    away = (logs - medians) / widths
    return value + 0.5 * float(away @ away), gradient + away / widths


def _with_scales(points: Array, losses: Array, lengths: Array, signal: float, noise: float) -> Process:
    kernel = signal * _matern(points, points, lengths) + (noise + LEAST_NOISE) * np.eye(len(points))
    factor = cho_factor(kernel, lower=True)
    return Process(points, losses, lengths, signal, factor, cho_solve(factor, losses))


def _conditioned(process: Process, points: Array, losses: Array) -> Process:
    """The same scales with more points."""
    return _with_scales(points, losses, process.lengths, process.signal, NOISE)


def _matern(one: Array, other: Array, lengths: Array) -> Array:
    left, right = one / lengths, other / lengths
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2.0 * left @ right.T
    distance = np.sqrt(np.maximum(squares, 0.0)) * _ROOT5
    found: Array = (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
    return found


def _maximised(process: Process, cube: Cube, best: float, random: np.random.Generator) -> Array:
    """The point that promises most: all over the space, then ever closer around the best of what was seen."""
    known = process.points[np.argsort(process.losses)[:SURVIVORS]]
    near = [cube.around(point, 0.1, NEARBY, random) for point in known]
    points = np.vstack([cube.random(ANYWHERE, random), *near])
    promises = _log_improvement(process, points, best)
    width = 0.1
    for _ in range(ROUNDS):
        order = np.argsort(-promises)[:SURVIVORS]
        kept, promised = points[order], promises[order]
        near = [cube.around(point, width, NEARBY, random) for point in kept]
        points = np.vstack([kept, *near])
        promises = np.concatenate([promised, _log_improvement(process, points[len(kept) :], best)])
        width /= 2.0
    chosen: Array = points[int(np.argmax(promises))]
    return chosen


def _log_improvement(process: Process, points: Array, best: float) -> Array:
    """The logarithm of the expected improvement: far from anything promising the thing itself is zero everywhere."""
    mean, deviation = process.expected(points)
    z = (best - mean) / deviation
    density = -0.5 * z**2 - 0.5 * math.log(2.0 * math.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.exp(log_ndtr(z) - density)  # Φ(z)/φ(z)
        inner = np.where(z > -30.0, np.log1p(z * ratio), -2.0 * np.log(np.abs(z)))  # far out φ(z) (1 + zΦ/φ) is φ(z)/z²
    return np.asarray(np.log(deviation) + density + np.nan_to_num(inner, nan=-1e300, neginf=-1e300), dtype=float)
