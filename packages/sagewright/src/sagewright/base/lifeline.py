"""A process of ours ends with the one that started it, even when that one is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: int = signal.SIGTERM, parent: int | None = None) -> None:
    """Asks the kernel (Linux) to send us ``number`` when our parent dies; ends at once when it has died already.

    ``parent`` is who that must be; None: whom the supervisor names in our environment. A change of user forgets it.
    Elsewhere it does nothing: there the supervisor's own stop is what ends its parts.
    """
    expected = parent or os.environ.get("SAGEWRIGHT_SUPERVISOR")
    if not sys.platform.startswith("linux") or not expected:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != int(expected):
        os.kill(os.getpid(), number)
