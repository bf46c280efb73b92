"""When to stop: the loss has hardly changed for some epochs. The best parameters are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from sagewright_algorithms.common import log


@dataclass(slots=True)
class Patience:
    """``tolerance``: the relative gain over the best of the last ``epochs`` losses that counts as progress (DG)."""

    epochs: int
    tolerance: float
    best: float = float("inf")
    best_epoch: int = 0
    _losses: list[float] = field(default_factory=list)
    _kept: dict[str, torch.Tensor] = field(default_factory=dict)

    def exhausted(self, network: nn.Module, epoch: int, loss: float) -> bool:
        """After an epoch (from 1)."""
        least = min(self._losses, default=float("inf"))
        difference = least - loss
        log.info(
            f"patience losses:{self._losses} min patience loss:{least} current loss:{loss} "
            f"absolute loss difference:{abs(difference)}"
        )
        if loss < self.best:
            self.best, self.best_epoch = loss, epoch
            self._keep(network)
        waited = len(self._losses) == self.epochs
        self._losses = [*self._losses, loss][-self.epochs :]
        return waited and difference < self.tolerance * abs(least)

    def restore(self, network: nn.Module) -> None:
        """Gives the network its best parameters back."""
        network.load_state_dict(self._kept)
        log.info(f"Best model based on early stopping at epoch {self.best_epoch}. Best loss: {self.best}")

    def _keep(self, network: nn.Module) -> None:
        for name, value in network.state_dict().items():
            if name in self._kept:
                self._kept[name].copy_(value)
            else:
                self._kept[name] = value.clone()
