"""The log lines of MXNet's training loop: speed and metrics every so many batches, then those of the epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sagewright_algorithms.common import log

_EVERY = 20


class Speedometer:
    """One epoch's. ``batch`` is the number of examples of a batch; a tab stands between the parts of a line."""

    def __init__(self, epoch: int, batch: int, every: int = _EVERY) -> None:
        self._epoch, self._batch, self._every = epoch, batch, every
        self._started = self._since = time.monotonic()

    def after(self, number: int, metrics: Callable[[], Mapping[str, float]]) -> None:
        """``Epoch[0] Batch [20]\\tSpeed: 191.406 samples/sec\\taccuracy=0.976190``, when batch ``number`` is one of every 20."""
        if not number or number % self._every:
            return
        now = time.monotonic()
        speed = self._every * self._batch / max(now - self._since, 1e-6)
        self._since = now
        values = "".join(f"\t{name}={value:f}" for name, value in metrics().items())
        log.info(f"Epoch[{self._epoch}] Batch [{number}]\tSpeed: {speed:.3f} samples/sec{values}")

    def trained(self, metrics: Mapping[str, float]) -> None:
        """``Epoch[0] Train-accuracy=0.375000`` and ``Epoch[0] Time cost=14.863``."""
        for name, value in metrics.items():
            log.info(f"Epoch[{self._epoch}] Train-{name}={value:f}")
        log.info(f"Epoch[{self._epoch}] Time cost={time.monotonic() - self._started:.3f}")

    def validated(self, metrics: Mapping[str, float]) -> None:
        """``Epoch[0] Validation-accuracy=0.771429``."""
        for name, value in metrics.items():
            log.info(f"Epoch[{self._epoch}] Validation-{name}={value:f}")
