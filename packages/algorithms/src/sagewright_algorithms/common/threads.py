"""How many threads a boosting library gets for its work, and what they do while they wait for one another.

By default it takes every processor for every table, and its threads spin while they wait for one another: XGBoost's 50 rounds on
569 x 30 values take 43 ms on one thread, 120 on two, and up to 4 s on two when the machine has other work as well.
"""

from __future__ import annotations

import os
from pathlib import Path

VALUES_PER_THREAD = 100_000


def threads_for(values: int) -> int:
    """As many as there are processors, but none for less than VALUES_PER_THREAD values."""
    return max(1, min(len(os.sched_getaffinity(0)), values // VALUES_PER_THREAD))


def sleep_when_busy() -> None:
    """Has OpenMP's threads sleep while they wait, when the processors have other work; the job's environment decides first.

    Three jobs at once of 50 rounds on 20 000 x 30 values, two threads each on two processors with other work: 15.8 s of processor time
    with threads that spin, 1.6 without; alone on an idle machine spinning makes one a seventh faster. OpenMP reads this when the
    library is loaded, so it has to be said before.
    """
    if _busy():
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def spin_when_idle() -> None:
    """Has threads that would sleep (sagewright_algorithms.common) spin for some microseconds first, where processors are free.

    LightGBM's steps are that short: without it they take four times as long. To be said before the library is loaded.
    """
    if not _busy():
        os.environ.setdefault("GOMP_SPINCOUNT", "30000")


def _busy() -> bool:
    return _others() >= len(os.sched_getaffinity(0))


def _others() -> float:
    """How many processes want a processor beside us: now, or in the last minute on average, whichever is more."""
    try:
        average, _, _, running, _ = Path("/proc/loadavg").read_text().split()
        return max(float(average), float(running.partition("/")[0]) - 1)
    except (OSError, ValueError):  # no Linux, or a view of it without /proc
        return 0.0
