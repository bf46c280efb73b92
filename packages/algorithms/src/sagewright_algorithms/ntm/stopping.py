"""When to stop: the loss has hardly changed for some epochs. The best parameters are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from sagewright_algorithms.common import log


@dataclass(slots=True)
class Patience:
    """``tolerance``: the share by which the loss must have fallen within the last ``epochs`` epochs (DG)."""

    epochs: int
    tolerance: float
    best: float = float("inf")
    best_epoch: int = 0
    _losses: list[float] = field(default_factory=list)
    _kept: dict[str, torch.Tensor] = field(default_factory=dict)

    def exhausted(self, network: nn.Module, epoch: int, loss: float) -> bool:
        """After an epoch (from 1)."""
        before = max(self._losses, default=float("inf"))
        gain = (before - loss) / abs(before) if before not in (0.0, float("inf")) else float("inf")
        log.info(f"patience losses:{self._losses} current loss:{loss} relative loss difference:{gain}")
        if loss < self.best:
            self.best, self.best_epoch = loss, epoch
            self._keep(network)
        waited = len(self._losses) == self.epochs
        self._losses = [*self._losses, loss][-self.epochs :]
        return waited and gain < self.tolerance

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
