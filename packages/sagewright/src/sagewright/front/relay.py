"""Passes the rest of a body from one socket on to another through a pipe: the bytes stay in the kernel, and mostly where they are."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from socket import socket

from sagewright.objects.direct import Source, ready

POSSIBLE = hasattr(os, "splice")
SMALLEST = 256 * 1024
"""Bytes of a body that is worth a pipe and two descriptors."""
_PIPE = 1024 * 1024


class TakerGoneError(Exception):
    """Nobody is there any more who takes the bytes."""


async def relay(source: Source, target: socket, stuck: Callable[[bool], None]) -> None:
    """Moves what is left. ``target`` is non-blocking; ``stuck`` is told when it has no room, and when it has again.

    Raises TakerGoneError, ConnectionError when the source broke off, TimeoutError when it is silent.
    """
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        room = _widen(writing)
        while source.left:
            count = await source.splice(writing, room)
            while count:
                count -= await _drain(reading, target, count, stuck)
            await asyncio.sleep(0)  # others have their turn
    finally:
        os.close(reading)
        os.close(writing)


def _widen(pipe: int) -> int:
    """As large as this user's pipes may be together (/proc/sys/fs/pipe-user-pages-soft)."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    except PermissionError:
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


async def _drain(pipe: int, target: socket, count: int, stuck: Callable[[bool], None]) -> int:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.splice(pipe, target.fileno(), count, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            stuck(True)
            await ready(loop.add_writer, loop.remove_writer, target)
            stuck(False)
        except OSError as gone:
            raise TakerGoneError from gone
