"""The FIFOs of a channel: ``/opt/ml/input/data/<channel>_<epoch>`` (DG your-algorithms-training-algo-running-container)."""

from __future__ import annotations

import os
from contextlib import suppress
from fcntl import fcntl
from pathlib import Path
from typing import BinaryIO

from sagewright_container.layout import Layout

_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, which the module fcntl names since Python 3.10
_CAPACITY = 1 << 20
"""What Linux gives to any user; each piece that is written wakes the reader once."""


def make(layout: Layout, name: str, epoch: int) -> None:
    """The FIFO is there from now on; nobody feeds it yet."""
    path = _path(layout, name, epoch)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def open_for_writing(layout: Layout, name: str, epoch: int) -> BinaryIO:
    """Waits for the reader. Never makes a plain file where a program has removed its pipe."""
    descriptor = os.open(_path(layout, name, epoch), os.O_WRONLY)
    with suppress(PermissionError):  # the user's pipes hold too much together: this one stays small
        fcntl(descriptor, _SET_PIPE_SIZE, _CAPACITY)
    return open(descriptor, "wb", buffering=_CAPACITY)


def remove(layout: Layout, name: str, epoch: int) -> None:
    """Nothing when it is not there."""
    _path(layout, name, epoch).unlink(missing_ok=True)


def _path(layout: Layout, name: str, epoch: int) -> Path:
    return layout.channel(f"{name}_{epoch}")
