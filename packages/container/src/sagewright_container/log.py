"""Log lines of the toolkit, in the form of AWS's: ``2024-05-02 06:05:28,000 sagemaker-training-toolkit INFO     text``."""

from __future__ import annotations

import time


def info(text: str) -> None:
    """For the reader of the job's log."""
    _write("INFO", text)


def error(text: str) -> None:
    """What made the job fail."""
    _write("ERROR", text)


def _write(level: str, text: str) -> None:
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    print(f"{stamp},{int(now % 1 * 1000):03d} sagemaker-training-toolkit {level:<8} {text}", flush=True)
