"""Starts a feeder for every Pipe-mode channel. Costs one look at the file system where there is none."""

from __future__ import annotations

import importlib
import os
from typing import NoReturn

from sagewright_container.layout import Layout
from sagewright_container.pipes import fifo


def start(layout: Layout) -> None:
    """Makes each channel's first FIFO and forks its feeder, which ends with this process, whatever that becomes by exec.

    One process for each channel: a program may leave a channel waiting while it reads another.
    """
    try:
        names = sorted(folder.name for folder in layout.pipes.iterdir())
    except FileNotFoundError:
        return
    parent = os.getpid()
    for name in names:
        fifo.make(layout, name, 0)
        if os.fork() == 0:
            _feed(layout, name, parent)


def _feed(layout: Layout, name: str, parent: int) -> NoReturn:
    """The feeder's code is loaded only now: most jobs have no pipe."""
    try:
        importlib.import_module("sagewright_container.pipes.feeder").run(layout, name, parent)
    finally:
        os._exit(1)
