"""DeepAR's network against other implementations: gradients, torch's own LSTM, SciPy's distributions (H18)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import softplus

from sagewright_algorithms.forecasting_deepar.evaluation import score
from sagewright_algorithms.forecasting_deepar.forecasting import quantiles
from sagewright_algorithms.forecasting_deepar.likelihoods import LIKELIHOODS
from sagewright_algorithms.forecasting_deepar.lstm import Lstm
from sagewright_algorithms.forecasting_deepar.series import Series


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("zoneout", [0.0, 0.5])
def test_gradients_are_those_of_finite_differences(zoneout: float) -> None:
    lstm = Lstm(2, 3, 2, zoneout).double().train()
    inputs = torch.randn(4, 2, 2, dtype=torch.double, requires_grad=True)
    parameters = tuple(lstm.parameters())

    def outputs(*_: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)  # the same parts of the state stay each time
        found: torch.Tensor = lstm(inputs)[0]
        return found

    assert torch.autograd.gradcheck(outputs, (inputs, *parameters))


def test_without_zoneout_it_is_torchs_lstm() -> None:
    mine, reference = Lstm(5, 4, 2, 0.5).eval(), torch.nn.LSTM(5, 4, 2)
    with torch.no_grad():
        for layer in range(2):
            for name, weights in (("ih", mine.inputs[layer]), ("hh", mine.recurrent[layer])):
                entered, forgot, opened, drawn = weights.t().chunk(4)
                getattr(reference, f"weight_{name}_l{layer}").copy_(torch.cat([entered, forgot, drawn / 2, opened]))
                getattr(reference, f"bias_{name}_l{layer}").zero_()
        inputs = torch.randn(6, 3, 5)
        outputs, state = mine(inputs)
        expected, (hidden, cell) = reference(inputs)
        assert torch.allclose(outputs, expected, atol=1e-6)
        assert torch.allclose(torch.stack(state.hidden), hidden, atol=1e-6)
        assert torch.allclose(torch.stack(state.cell), cell, atol=1e-6)
        following = torch.randn(3, 5)
        again = mine(torch.cat([inputs, following[None]]))[0][-1]
        assert torch.allclose(mine.step(following, state), again, atol=1e-6)


def test_zoneout_leaves_the_state_alone_as_often_as_told() -> None:
    """With a rate near one the state hardly moves from where it began."""
    inputs = torch.randn(20, 8, 5)
    still, moving = Lstm(5, 4, 1, 1.0).train(), Lstm(5, 4, 1, 0.0).train()
    assert still(inputs)[1].cell[0].abs().max() == 0
    assert moving(inputs)[1].cell[0].abs().min() > 0


GIVEN, SCALE = torch.tensor([[0.3, -0.2, 0.4], [-1.0, 0.7, 2.0]]), torch.tensor([2.0, 30.0])


def frozen(name: str) -> Any:
    """The same distributions by SciPy."""
    first = GIVEN[:, 0].numpy().astype(float)
    scale = SCALE.numpy().astype(float)
    positive = softplus(GIVEN.double()).numpy()
    if name == "gaussian":
        return stats.norm(first * scale, (positive[:, 1] + 1e-5) * scale)
    if name == "student-t":
        return stats.t(positive[:, 2] + 2, first * scale, (positive[:, 1] + 1e-5) * scale)
    if name == "negative-binomial":
        mean, spread = (positive[:, 0] + 1e-5) * scale, positive[:, 1] / np.sqrt(scale) + 1e-3
        return stats.nbinom(1 / spread, 1 / (1 + mean * spread))
    middle, precision = torch.sigmoid(GIVEN[:, 0]).numpy(), 2 * np.exp(GIVEN[:, 1].numpy()) + 1e-4
    return stats.beta(middle * precision + 1e-4, (1 - middle) * precision + 1e-4)


@pytest.mark.parametrize(
    ("name", "targets"),
    [("gaussian", (1.0, -7.0)), ("student-t", (1.0, -7.0)), ("negative-binomial", (3.0, 11.0)), ("beta", (0.2, 0.9))],
)
def test_likelihoods_and_samples_are_those_of_the_distribution(name: str, targets: tuple[float, float]) -> None:
    likelihood, expected = LIKELIHOODS[name](), frozen(name)
    given = GIVEN[:, : likelihood.parameters]
    loss = likelihood.loss(given, torch.tensor(targets), SCALE)
    density = expected.logpmf if name == "negative-binomial" else expected.logpdf
    assert loss.numpy() == pytest.approx(-density(targets), rel=1e-3, abs=1e-4)
    drawn = likelihood.sample(given.repeat_interleave(20_000, 0), SCALE.repeat_interleave(20_000)).view(2, -1).numpy()
    for row, level in ((0, 0.1), (0, 0.5), (1, 0.5), (1, 0.9)):
        share = (drawn[row] <= expected.ppf(level)[row]).mean()
        assert share == pytest.approx(expected.cdf(expected.ppf(level))[row], abs=0.02)


def test_the_deterministic_likelihood_is_a_distance_in_scales() -> None:
    likelihood = LIKELIHOODS["deterministic-l1"]()
    given = torch.tensor([[0.5], [2.0]])
    assert likelihood.loss(given, torch.tensor([2.0, 30.0]), SCALE).tolist() == [0.5, 1.0]
    assert likelihood.sample(given, SCALE).tolist() == [1.0, 60.0]


def test_quantiles_are_samples_of_the_nearest_rank() -> None:
    paths = np.array([[[3.0], [1.0], [2.0], [5.0], [4.0]]], np.float32)
    assert quantiles(paths, [0, 0.1, 0.5, 0.9, 1])[:, 0, 0].tolist() == [1, 1, 3, 5, 5]


class FixedForecaster:
    """Answers every series with the same two paths."""

    class design:  # noqa: N801
        prediction_length = 2

    def rows_at_once(self, samples: int) -> int:
        return 1

    def paths(self, series: list[Series], samples: int) -> Any:
        assert all(np.isnan(item.target[-2:]).all() for item in series)
        return np.repeat(np.array([[[1.0, 2.0], [3.0, 2.0]]]), len(series), axis=0)


def test_scores_of_the_test_channel() -> None:
    """DG deepar: RMSE of the mean, quantile losses weighted by the sum of the magnitudes; missing values do not count."""
    given = [Series.of_record({"start": "2024-01-01", "target": target}) for target in ([5, 4, 2], [5, 0, "NaN"], [1, 1])]
    scores = score(FixedForecaster(), given, [0.1, 0.9], 2)  # type: ignore[arg-type]
    assert scores.rmse == pytest.approx(np.sqrt((2**2 + 0 + 2**2) / 3))
    low = 2 * (0.1 * 3 + 0 + 0.9 * 1)
    high = 2 * (0.9 * 1 + 0 + 0.1 * 3)
    assert scores.weighted == pytest.approx({0.1: low / 6, 0.9: high / 6})
    assert scores.absolute == pytest.approx((low + high) / 2)
    assert list(scores.named()) == [
        "RMSE",
        "mean_absolute_QuantileLoss",
        "mean_wQuantileLoss",
        "wQuantileLoss[0.1]",
        "wQuantileLoss[0.9]",
    ]
