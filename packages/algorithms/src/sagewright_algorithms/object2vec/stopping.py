"""When to stop early, and which epoch's network was the best."""

from __future__ import annotations


class EarlyStopping:
    """Stops after ``patience`` epochs in a row whose loss is not ``tolerance`` below the least one before them."""

    def __init__(self, patience: int, tolerance: float) -> None:
        self._patience, self._tolerance = patience, tolerance
        self._reference = self._least = float("inf")
        self._idle = 0
        self.is_best = False
        """Whether the last epoch had the least loss of all."""

    def stops(self, loss: float) -> bool:
        """To be asked after each epoch."""
        self.is_best = loss < self._least
        self._least = min(self._least, loss)
        if loss <= self._reference - self._tolerance:
            self._reference, self._idle = loss, 0
        else:
            self._idle += 1
        return self._idle >= self._patience
