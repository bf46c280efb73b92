"""The log lines of Object Detection."""

from __future__ import annotations

import time
from datetime import timedelta

from sagewright_algorithms.common import log

_EVERY = 100


class EpochReport:
    """One epoch's. Values stand in parentheses, as the regexes of this algorithm's metrics want them."""

    def __init__(self, host: str, epoch: int) -> None:
        self._host, self._epoch = host, epoch
        self._since = time.monotonic()
        self._batches = self._examples = 0
        self._entropy = self._distance = 0.0
        self._counted = 0

    def after_batch(self, examples: int, cross_entropy: float, smooth_l1: float, counted: int, objects: int) -> None:
        """Both losses are means: over the anchors that count, over the coordinates of the objects' anchors."""
        self._batches += 1
        self._examples += examples
        self._entropy += cross_entropy * counted
        self._distance += smooth_l1 * 4 * objects
        self._counted += counted
        if self._batches % _EVERY == 0:
            passed = time.monotonic() - self._since
            log.info(
                f"Epoch: {self._epoch:4d}, batches: {self._batches:6d}, num_examples: {self._examples:6d}, "
                f"{self._examples / max(passed, 1e-6):.1f} samples/sec, epoch time so far: {timedelta(seconds=passed)}"
            )

    def trained(self) -> None:
        """Both losses, each per anchor that counts (MXNet's MultiBoxMetric)."""
        counted = max(self._counted, 1)
        for name, total in (("cross_entropy", self._entropy), ("smooth_l1", self._distance)):
            place = f"host={self._host}, epoch={self._epoch}, batch={self._batches}"
            log.info(f"#quality_metric: {place} train {name} <loss>=({total / counted})")

    def validated(self, precision: float) -> None:
        """``#quality_metric: host=algo-1, epoch=0, validation mAP <score>=(0.5)``."""
        log.info(f"#quality_metric: host={self._host}, epoch={self._epoch}, validation mAP <score>=({precision})")
