"""A torch network's parameters under the names that MXNet gives them: ``arg:conv0_weight``, ``aux:bn0_moving_mean``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

_OF_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
_UNNAMED = ("base.", "body.")  # parts that have no name of their own there

Arrays = Mapping[str, npt.NDArray[Any]]


class WrongParametersError(ValueError):
    """The file holds other parameters than the network has."""


def arrays(network: nn.Module) -> Arrays:
    """Copies."""
    return {name: tensor.detach().cpu().contiguous().numpy().copy() for name, tensor in named(network).items()}


def load(network: nn.Module, given: Arrays, *, more: bool = False) -> None:
    """Sets every parameter; with ``more`` there may be others beside them. Raises WrongParametersError."""
    wanted = named(network)
    differing = sorted(set(wanted) - set(given) if more else set(given) ^ set(wanted))
    if differing:
        raise WrongParametersError(f"the parameters are those of another network: {', '.join(differing[:3])} …")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(_shaped(name, given[name], tensor))


def named(network: nn.Module) -> dict[str, torch.Tensor]:
    """What is trained (``arg:``) and what batch norms have counted (``aux:``), as the network's own tensors."""
    found: dict[str, torch.Tensor] = {f"arg:{name}": tensor for name, tensor in trained(network).items()}
    for name, buffer in network.named_buffers():
        owner, _, last = name.rpartition(".")
        if last.startswith("running_"):
            found[f"aux:{_plain(owner)}_{_OF_NORM[last]}"] = buffer
    return found


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """By MXNet's name without prefix: ``conv0_weight``."""
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    found = {}
    for name, parameter in network.named_parameters():
        owner, _, last = name.rpartition(".")
        last = _OF_NORM[last] if owner in norms else last
        found[f"{_plain(owner)}_{last}" if owner else last] = parameter
    return found


def _plain(owner: str) -> str:
    for prefix in _UNNAMED:
        owner = owner.removeprefix(prefix)
    return owner.replace(".", "_")


def _shaped(name: str, given: npt.NDArray[Any], tensor: torch.Tensor) -> torch.Tensor:
    if given.shape != tuple(tensor.shape):
        raise WrongParametersError(f"{name} has the shape {given.shape} instead of {tuple(tensor.shape)}")
    return torch.from_numpy(given.astype(np.float32))
