"""The noise models: how many parameters the network gives each, how likely a value is, and how one is drawn."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

_SMALLEST = 1e-5  # a deviation of 0 makes every other value impossible
_EDGE = 1e-4  # a beta distribution has no density at 0 and 1
_SHARPEST = 9.0  # the logarithm of a beta distribution's largest precision: float32 cannot tell more
_SMALLEST_SPREAD = 1e-3  # below, float32 cannot tell a negative binomial from a Poisson distribution


class Likelihood(Protocol):
    """``scale`` [...] is that of the series; not every distribution has use for it."""

    parameters: int

    def loss(self, given: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """The negative logarithm of the likelihood of each target; ``given`` [..., parameters] as the network gives them."""

    def sample(self, given: Tensor, scale: Tensor) -> Tensor:
        """One value for each row, in the target's units."""


class Gaussian:
    """Real values."""

    parameters = 2

    def loss(self, given: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        deviation = softplus(given[..., 1]) + _SMALLEST
        away = (target / scale - given[..., 0]) / deviation
        return 0.5 * away * away + torch.log(deviation * scale) + 0.5 * math.log(2 * math.pi)

    def sample(self, given: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        return torch.normal(given[:, 0], softplus(given[:, 1]) + _SMALLEST) * scale


class StudentT:
    """Real values with bursts; more than two degrees of freedom, so that there is a variance."""

    parameters = 3

    def loss(self, given: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        deviation, freedom = self._parts(given)
        away = (target / scale - given[..., 0]) / deviation
        half = 0.5 * (freedom + 1)
        normal = torch.lgamma(0.5 * freedom) - torch.lgamma(half) + 0.5 * torch.log(freedom * math.pi)
        return half * torch.log1p(away * away / freedom) + normal + torch.log(deviation * scale)

    def sample(self, given: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        deviation, freedom = self._parts(given)
        drawn = torch.distributions.StudentT(freedom, given[:, 0], deviation, validate_args=False).sample()
        return drawn * scale

    @staticmethod
    def _parts(given: Tensor) -> tuple[Tensor, Tensor]:
        return softplus(given[..., 1]) + _SMALLEST, softplus(given[..., 2]) + 2


class NegativeBinomial:
    """Counts. The spread shrinks with the root of the scale, as in the paper (arXiv 1704.04110, section 3.1)."""

    parameters = 2

    def loss(self, given: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        mean, spread = self._parts(given, scale)
        shape, odds = 1 / spread, torch.log(mean * spread)
        ways = torch.lgamma(target + 1) + torch.lgamma(shape) - torch.lgamma(target + shape)
        return ways + shape * softplus(odds) + target * softplus(-odds)

    def sample(self, given: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        mean, spread = self._parts(given, scale)
        return torch.poisson(torch.distributions.Gamma(1 / spread, 1 / (mean * spread), validate_args=False).sample())

    @staticmethod
    def _parts(given: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        mean = (softplus(given[..., 0]) + _SMALLEST) * scale
        return mean, softplus(given[..., 1]) * torch.rsqrt(scale) + _SMALLEST_SPREAD


class Beta:
    """Values between 0 and 1."""

    parameters = 2

    def loss(self, given: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        first, second = self._parts(given)
        value = target.clamp(_EDGE, 1 - _EDGE)
        normal = torch.lgamma(first) + torch.lgamma(second) - torch.lgamma(first + second)
        return normal - (first - 1) * torch.log(value) - (second - 1) * torch.log1p(-value)

    def sample(self, given: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        return torch.distributions.Beta(*self._parts(given), validate_args=False).sample()

    @staticmethod
    def _parts(given: Tensor) -> tuple[Tensor, Tensor]:
        """By mean and precision: narrow distributions have parameters in the hundreds, which a network reaches slowly."""
        precision = 2 * torch.exp(given[..., 1].clamp(max=_SHARPEST)) + _EDGE
        mean = torch.sigmoid(given[..., 0])
        return mean * precision + _EDGE, (1 - mean) * precision + _EDGE


class DeterministicL1:
    """A point forecast: the loss is the distance, in scales, so that large series do not rule."""

    parameters = 1

    def loss(self, given: Tensor, target: Tensor, scale: Tensor) -> Tensor:
        """See Likelihood."""
        return torch.abs(target / scale - given[..., 0])

    def sample(self, given: Tensor, scale: Tensor) -> Tensor:
        """The forecast itself."""
        return given[:, 0] * scale


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "student-t": StudentT,
    "negative-binomial": NegativeBinomial,
    "beta": Beta,
    "deterministic-l1": DeterministicL1,
}
