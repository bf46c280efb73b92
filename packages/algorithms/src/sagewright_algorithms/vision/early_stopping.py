"""When training stops before its last epoch (early_stopping, _min_epochs, _patience, _tolerance; DG:IC-Hyperparameter)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class EarlyStopping:
    """Counts epochs without a gain. A gain is relative to the best so far and larger than ``tolerance``; larger is better."""

    min_epochs: int
    patience: int
    tolerance: float
    best: float | None = None
    waited: int = 0

    def should_stop(self, epoch: int, score: float) -> bool:
        """After epoch ``epoch`` (from 0) with this score; to be asked once per epoch, in order."""
        gained = self.best is None or score - self.best > self.tolerance * abs(self.best)
        self.waited = 0 if gained else self.waited + 1
        self.best = score if self.best is None else max(self.best, score)
        return self.waited >= self.patience and epoch + 1 >= self.min_epochs
