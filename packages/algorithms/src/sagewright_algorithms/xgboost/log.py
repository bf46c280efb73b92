"""Log lines as AWS's container writes them. Metrics are plain lines; everything else carries time and level."""

from __future__ import annotations

import time


def info(text: str) -> None:
    """``[2024-05-02:06:05:28:INFO] text`` on stdout."""
    print(f"[{time.strftime('%Y-%m-%d:%H:%M:%S')}:INFO] {text}", flush=True)


def error(text: str) -> None:
    """``[2024-05-02:06:05:28:ERROR] text`` on stdout."""
    print(f"[{time.strftime('%Y-%m-%d:%H:%M:%S')}:ERROR] {text}", flush=True)
