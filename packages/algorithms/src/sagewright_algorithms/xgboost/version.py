"""What a client sees of an image's version, with one library behind all of them.

Sources: the library's release notes (1.3: default metrics; 2.0: tree_method and base_score), AWS's container (hyperparameters,
answers), DG:xgboost (the artifact was a pickle before 1.3-1).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sagewright_algorithms.common.threads import VALUES_PER_THREAD

_TAG = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?(?:-(\d+))?")
_OLDEST = "1"  # the tag of 0.72, in a repository of its own
_METRICS_BEFORE_1_3 = {
    "binary:logistic": "error",
    "binary:logitraw": "auc",
    "multi:softmax": "merror",
    "multi:softprob": "merror",
}
_SINCE = {
    "aft_loss_distribution": (1, 2),
    "aft_loss_distribution_scale": (1, 2),
    "deterministic_histogram": (1, 2),
    "sampling_method": (1, 2),
    "use_dask_gpu_training": (1, 5),
}
_OBJECTIVES_SINCE = {"reg:pseudohubererror": (1, 2), "survival:aft": (1, 2), "reg:absoluteerror": (1, 7)}
_SILENT_UNTIL = (1, 0)
_EXACT_VALUES = 10 * VALUES_PER_THREAD
"""Of a training table. Versions before 2.0 look at every split of much larger ones, too: there, histograms are many times faster."""
_NOT_EXACT = (
    "updater",
    "max_leaves",
    "process_type",
)  # hyperparameters with which "auto" was not the exact method, or need not be


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """``library`` is major and minor, ``build`` the number behind the dash."""

    library: tuple[int, int]
    build: int

    def knows(self, hyperparameter: str) -> bool:
        """Whether the container takes it."""
        if hyperparameter == "silent":
            return self.library <= _SILENT_UNTIL
        return self.library >= _SINCE.get(hyperparameter, (0, 0))

    def knows_objective(self, objective: str) -> bool:
        """Whether the library had it."""
        return self.library >= _OBJECTIVES_SINCE.get(objective, (0, 0))

    def metric(self, objective: str) -> str | None:
        """What is evaluated where the user names no metric; None: what the library takes."""
        return _METRICS_BEFORE_1_3.get(objective) if self.library < (1, 3) else None

    def parameters(self, objective: str) -> dict[str, str]:
        """Defaults that the library has changed since: it did not estimate where to start from."""
        return {"base_score": "0.5"} if self.library < (2, 0) and objective != "reg:absoluteerror" else {}

    def tree_method(self, sent: Mapping[str, str], values: int) -> str | None:
        """For a table of so many values on one instance; None: what the library or the user takes."""
        asked = sent.get("tree_method", "auto") != "auto" or any(name in sent for name in _NOT_EXACT)
        shaped = sent.get("grow_policy") == "lossguide" or sent.get("max_depth") == "0" or sent.get("booster") == "gblinear"
        return None if self.library >= (2, 0) or asked or shaped or values > _EXACT_VALUES else "exact"

    @property
    def pickles(self) -> bool:
        """Whether the artifact is a pickled Booster."""
        return self.library < (1, 3)

    @property
    def one_line(self) -> bool:
        """Whether all predictions of an answer stand in one line of text/csv, whatever Accept says."""
        return self < Version((1, 2), 2)


NEWEST = Version((3, 0), 5)


def of_tag(tag: str) -> Version:
    """``1.7-1``; what is no version is the newest one."""
    if tag == _OLDEST:
        return Version((0, 72), 1)
    found = _TAG.match(tag)
    return NEWEST if found is None else Version((int(found[1]), int(found[2])), int(found[3] or 0))


def current() -> Version:
    """Of the container's image."""
    return of_tag(os.environ.get("SAGEWRIGHT_IMAGE_VERSION", ""))
