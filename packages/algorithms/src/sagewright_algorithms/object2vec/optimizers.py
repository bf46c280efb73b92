"""The optimizers with MXNet's constants; token vectors may have slopes for the rows of the batch only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

_ADAGRAD_EPSILON, _ADADELTA_EPSILON, _RMSPROP_EPSILON = 1e-7, 1e-5, 1e-8
_RHO = 0.9


class Steps:
    """One step along the slopes of all parameters. ``lazy``: parameters whose slopes are sparse."""

    def __init__(
        self, name: str, rate: float, decay: float, parameters: Iterable[Parameter], lazy: Iterable[Parameter]
    ) -> None:
        dense, self._lazy = [item for item in parameters if item.requires_grad], [item for item in lazy if item.requires_grad]
        self._decay = decay
        self._optimizers = [_dense(name, rate, decay, dense)] if dense else []
        if self._lazy:
            self._optimizers.append(_sparse(name, rate, self._lazy))

    def take(self, loss: torch.Tensor) -> None:
        """Downhill."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self._decay:
            for parameter in self._lazy:
                _decay_rows(parameter, self._decay)
        for optimizer in self._optimizers:
            optimizer.step()


def _dense(name: str, rate: float, decay: float, parameters: list[Parameter]) -> Optimizer:
    if name == "adam":
        return torch.optim.Adam(parameters, rate, weight_decay=decay, fused=True)
    if name == "adagrad":
        return torch.optim.Adagrad(parameters, rate, weight_decay=decay, eps=_ADAGRAD_EPSILON, fused=True)
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, rate, alpha=_RHO, eps=_RMSPROP_EPSILON, weight_decay=decay)
    if name == "adadelta":  # MXNet's has no learning rate
        return torch.optim.Adadelta(parameters, 1.0, rho=_RHO, eps=_ADADELTA_EPSILON, weight_decay=decay)
    return torch.optim.SGD(parameters, rate, weight_decay=decay, fused=True)


def _sparse(name: str, rate: float, parameters: list[Parameter]) -> Optimizer:
    unchecked: Callable[[], None] = torch.sparse.check_sparse_tensor_invariants.disable
    unchecked()  # torch asks to be told; it makes these tensors itself
    if name == "adam":
        return torch.optim.SparseAdam(parameters, rate)
    if name == "adagrad":
        return torch.optim.Adagrad(parameters, rate, eps=_ADAGRAD_EPSILON)
    return torch.optim.SGD(parameters, rate)


def _decay_rows(parameter: Parameter, decay: float) -> None:
    """Weight decay for the rows of the batch: torch's sparse optimizers have none."""
    if parameter.grad is None:
        return
    slopes = parameter.grad.coalesce()
    rows = slopes.indices()
    values = slopes.values() + decay * parameter.detach()[rows[0]]
    parameter.grad = torch.sparse_coo_tensor(rows, values, slopes.shape, is_coalesced=True)
