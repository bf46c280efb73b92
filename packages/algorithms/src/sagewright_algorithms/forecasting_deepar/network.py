"""The network: from lags, features, scale and categories to the parameters of the next value's distribution (arXiv 1704.04110)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.likelihoods import LIKELIHOODS
from sagewright_algorithms.forecasting_deepar.lstm import Lstm
from sagewright_algorithms.forecasting_deepar.windows import Windows


class Tensors(NamedTuple):
    """The arrays of Windows on a device."""

    lags: Tensor
    features: Tensor
    target: Tensor
    observed: Tensor
    scale: Tensor
    log_scale: Tensor
    categories: Tensor

    @classmethod
    def of(cls, windows: Windows, device: torch.device) -> Tensors:
        """Without a copy where the device is the CPU."""
        return cls(*(torch.from_numpy(np.asarray(getattr(windows, name))).to(device) for name in cls._fields))


class Network(nn.Module):
    """See the module docstring."""

    def __init__(self, design: Design, zoneout: float = 0.0) -> None:
        super().__init__()
        self._context = design.context_length
        self._lags = torch.tensor(design.lags)
        self.likelihood = LIKELIHOODS[design.likelihood]()
        self.embeddings = nn.ModuleList(nn.Embedding(count, design.embedding_dimension) for count in design.cardinality)
        self.lstm = Lstm(design.input_width, design.num_cells, design.num_layers, zoneout)
        self.projection = nn.Linear(design.num_cells, self.likelihood.parameters)

    def forward(self, given: Tensors) -> Tensor:
        """The mean loss over the observed steps of context and prediction."""
        outputs, _ = self.lstm(self._inputs(given))
        losses = self.likelihood.loss(self.projection(outputs), given.target, given.scale)
        return (losses * given.observed).sum() / given.observed.sum().clamp(min=1)

    @torch.no_grad()
    def forecast(self, given: Tensors, samples: int) -> Tensor:
        """[windows, samples, prediction length]: paths, each drawn step by step."""
        inputs = self._inputs(given)
        _, state = self.lstm(inputs[: self._context])
        state, scale = state.repeated(samples), given.scale.repeat_interleave(samples)
        steps = len(inputs) - self._context
        paths = scale.new_empty(len(scale), steps)
        for step in range(steps):
            now = inputs[self._context + step].repeat_interleave(samples, 0)
            drawn = torch.nonzero(self._lags <= step).flatten()  # what these lags look at lies in the path
            now[:, drawn] = paths[:, step - self._lags[drawn]] / scale[:, None]
            paths[:, step] = self.likelihood.sample(self.projection(self.lstm.step(now, state)), scale)
        return paths.view(-1, samples, steps)

    def _inputs(self, given: Tensors) -> Tensor:
        """[steps, windows, width]; the lags are the first columns."""
        embedded = [embedding(given.categories[:, place]) for place, embedding in enumerate(self.embeddings)]
        constant = torch.cat([given.log_scale, *embedded], 1)
        return torch.cat([given.lags, given.features, constant.expand(len(given.lags), -1, -1)], 2)
