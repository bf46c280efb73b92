"""Log lines of JumpStart's scripts: those of Python's ``logging`` in its default form, which their regexes do not mind."""

from __future__ import annotations


def info(text: str) -> None:
    """``INFO:root:text``."""
    print(f"INFO:root:{text}", flush=True)


def warning(text: str) -> None:
    """``WARNING:root:text``."""
    print(f"WARNING:root:{text}", flush=True)
