"""When training stops before its last epoch (early_stopping, _min_epochs, _patience, _tolerance; DG:IC-Hyperparameter)."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright_algorithms.common.hyperparameters import Hyperparameters


@dataclass(slots=True)
class EarlyStopping:
    """Counts epochs without a gain. A gain is relative to the best so far and larger than ``tolerance``; larger is better."""

    min_epochs: int
    patience: int
    tolerance: float
    best: float | None = None
    waited: int = 0

    @classmethod
    def of(cls, given: Hyperparameters) -> EarlyStopping | None:
        """None unless ``early_stopping`` asks for it."""
        if not given.flag("early_stopping"):
            return None
        return cls(
            given.integer("early_stopping_min_epochs"),
            given.integer("early_stopping_patience"),
            given.number("early_stopping_tolerance"),
        )

    def should_stop(self, epoch: int, score: float) -> bool:
        """After epoch ``epoch`` (from 0) with this score; to be asked once per epoch, in order."""
        gained = self.best is None or score - self.best > self.tolerance * abs(self.best)
        self.waited = 0 if gained else self.waited + 1
        self.best = score if self.best is None else max(self.best, score)
        return self.waited >= self.patience and epoch + 1 >= self.min_epochs
