"""A torch network's parameters under the names that MXNet gives them: ``arg:conv0_weight``, ``aux:bn0_moving_mean``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from sagewright_algorithms.common import ndarray_file

_OF_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
_UNNAMED = ("base.", "body.")  # parts that have no name of their own there


class WrongParametersError(ValueError):
    """The file holds other parameters than the network has."""


def dump(network: nn.Module) -> bytes:
    """An NDArray list, as MXNet's ``.params`` files are."""
    return ndarray_file.dump({name: tensor.detach().cpu().numpy() for name, tensor in named(network).items()})


def load(network: nn.Module, content: bytes) -> None:
    """Sets every parameter. Raises ndarray_file.MalformedModelError, WrongParametersError."""
    given, wanted = ndarray_file.load(content), named(network)
    if set(given) != set(wanted):
        differing = sorted(set(given) ^ set(wanted))
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


def _shaped(name: str, given: np.ndarray[Any, np.dtype[Any]], tensor: torch.Tensor) -> torch.Tensor:
    if given.shape != tuple(tensor.shape):
        raise WrongParametersError(f"{name} has the shape {given.shape} instead of {tuple(tensor.shape)}")
    return torch.from_numpy(given.astype(np.float32))
