"""Waiting for what other threads and processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], fits: Callable[[Any], Any] = bool, seconds: float = 30.0) -> Any:
    """What ``look`` gives as soon as it ``fits``."""
    deadline = time.monotonic() + seconds
    while not fits(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found
