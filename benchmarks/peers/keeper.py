"""Runs one peer and ends whatever it has started, however it ends: ``python keeper.py COMMAND …``.

Some peers (Ray) leave daemons that outlive them; being their subreaper, this process finds them all. It ends with whoever started it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import FrameType

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE = 10.0
"""Seconds a peer has to end by itself."""


class _Ended(BaseException):
    """SIGTERM."""


def main(command: list[str]) -> None:
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _end)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    with suppress(_Ended):
        if os.getppid() != parent:
            return  # the parent went before it could be said
        process = subprocess.Popen(command)
        try:
            process.wait()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _end_all(process)


def _end(number: int, frame: FrameType | None) -> None:
    raise _Ended


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """The peer by SIGTERM, whatever is left after it by SIGKILL."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    me = psutil.Process()
    while left := me.children(recursive=True):
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, 1.0)


main(sys.argv[1:])
