"""How many threads a boosting library gets for its work.

By default it takes every processor for every table, and its threads spin while they wait for one another: XGBoost's 50 rounds on
569 x 30 values take 43 ms on one thread, 120 on two, and up to 4 s on two when the machine has other work as well.
"""

from __future__ import annotations

import os

VALUES_PER_THREAD = 100_000


def threads_for(values: int) -> int:
    """As many as there are processors, but none for less than VALUES_PER_THREAD values."""
    return max(1, min(len(os.sched_getaffinity(0)), values // VALUES_PER_THREAD))
