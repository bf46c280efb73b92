"""Feeds the FIFOs of one channel, epoch after epoch, for as long as the program runs."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

from sagewright_container import log
from sagewright_container.failure import write_failure
from sagewright_container.layout import Layout
from sagewright_container.pipes import fifo
from sagewright_container.pipes.records import Channel, MalformedError

_PR_SET_PDEATHSIG = 1


def run(layout: Layout, name: str, parent: int) -> NoReturn:
    """Runs until ``parent`` ends. What cannot be streamed ends the job instead, with its reason in /opt/ml/output/failure."""
    _end_with(parent)
    try:
        _feed(layout, name, parent)
    except BaseException:  # noqa: BLE001 - the top of a process: everything is reported, and the program must not wait for ever
        _give_up(
            layout, f"InternalServerError: The channel {name} cannot be streamed: {traceback.format_exc(limit=-1)}", parent
        )
    os._exit(1)


def _feed(layout: Layout, name: str, parent: int) -> None:
    """The next FIFO is there when one is opened, so that a program can open it as soon as it has read this one to its end.

    The one before stays until then, too: programs look at the file that they have just opened.
    """
    channel = Channel.read(layout.pipes / name)
    epoch = 0
    while True:
        pipe = fifo.open_for_writing(layout, name, epoch)
        fifo.make(layout, name, epoch + 1)
        if epoch:
            fifo.remove(layout, name, epoch - 1)
        try:
            channel.write(pipe, epoch)
        except MalformedError as error:  # before the pipe is closed: the program must not take its end for that of the data
            _give_up(layout, f"ClientError: Data download failed:{error}", parent)
        except BrokenPipeError:
            pass  # a program may close a pipe early
        with suppress(BrokenPipeError):  # what was not taken
            pipe.close()
        epoch += 1


def _end_with(parent: int) -> None:
    """SIGTERM is for the program, which may go on to read while it ends."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a fork of a program that changed it; EPIPE says the same
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it ended before we asked to be told


def _give_up(layout: Layout, reason: str, parent: int) -> NoReturn:
    log.error(reason)
    sys.stdout.flush()
    write_failure(layout, reason)
    os.kill(parent, signal.SIGKILL)
    os._exit(1)
