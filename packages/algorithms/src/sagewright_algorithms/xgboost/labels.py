"""Labels that the objective cannot take: said before training, in the library's words.

The library itself would first estimate base_score from them and complain about that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sagewright_algorithms.xgboost.errors import UserError

_LOGISTIC = ("binary:logistic", "binary:logitraw", "reg:logistic")


def check(labels: Sequence[float], objective: str, classes: int) -> None:
    """``classes`` is num_class, 0 without one. Raises UserError."""
    values = np.asarray(labels)
    if objective in _LOGISTIC and not np.all((values >= 0) & (values <= 1)):
        raise UserError("label must be in [0,1] for logistic regression")
    if classes and not np.all((values >= 0) & (values < classes) & (values == np.floor(values))):
        raise UserError("label must be in [0, num_class).")
