"""The metric of each task (DG:tabtransformer-tuning): f1 for two classes, accuracy for more, r2 for regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]


def name(classes: int) -> str:
    """``classes``: 0 for regression."""
    return {0: "r2", 2: "f1"}.get(classes, "accuracy")


def value(classes: int, outputs: Values, targets: Values) -> float:
    """``outputs``: (rows, outputs) of the network. Undefined values (no positives, one target) are 0."""
    if classes == 0:
        spread = float(((targets - targets.mean()) ** 2).sum())
        return 1 - float(((outputs[:, 0] - targets) ** 2).sum()) / spread if spread else 0.0
    predicted = outputs.argmax(axis=1)
    if classes > 2:
        return float(np.mean(predicted == targets))
    hits = int((predicted & targets).sum())
    found = int(predicted.sum() + targets.sum())
    return 2 * hits / found if found else 0.0
