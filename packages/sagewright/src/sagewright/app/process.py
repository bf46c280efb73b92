"""What the processes composed here have in common: how they begin, are told to stop, and say why they could not start."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from sagewright.base.lifeline import end_with_parent
from sagewright.settings import Settings

log = logging.getLogger(__name__)


def stop_signals() -> asyncio.Event:
    """Set when the process is told to stop: SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def serve(run: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Runs ``run`` with the settings of the environment; what keeps it from starting is one line on standard error and exit code 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    end_with_parent()
    try:
        uvloop.run(run(Settings.from_env()))
    except (ValueError, OSError) as error:
        log.debug("stopped", exc_info=error)
        print(f"sagewright: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
