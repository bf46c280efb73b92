"""What fastText writes to standard error while it trains, as the lines of AWS's container."""

from __future__ import annotations

import os
import re
import sys
from threading import Thread
from types import TracebackType

from sagewright_algorithms.common import log

_PROGRESS = re.compile(r"Progress:\s*(?P<done>[\d.]+)% words/sec/thread:\s*(?P<rate>\d+) lr:\s*(?P<alpha>-?[\d.]+)")
_FACTS = ("Number of words", "Number of labels")
_STEP = 5.0  # percent between two lines
_MILLION = 1e6


class Console:
    """A context in which file descriptor 2 is read and translated. fastText has no other way to tell how far it is."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._shown = -_STEP
        self._muted = False
        self.rate = 0.0
        """Million words a second, of all threads: the latest."""

    def __enter__(self) -> Console:
        sys.stderr.flush()
        self._kept = os.dup(2)
        reading, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        self._thread = Thread(target=self._translate, args=(reading,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.dup2(self._kept, 2)  # the pipe's only other end: the thread sees it close
        self._thread.join()
        os.close(self._kept)

    def mute(self) -> None:
        """From here on nothing is learned any more: what fastText says of its speed does not count."""
        self._muted = True

    def _translate(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace", newline="") as lines:  # "\r" ends a line, too
            for line in lines:
                self._line(line.strip())

    def _line(self, line: str) -> None:
        progress = _PROGRESS.search(line)
        if progress is not None and not self._muted:
            self._progress(float(progress["done"]), int(progress["rate"]), float(progress["alpha"]))
        elif line.startswith(_FACTS) or re.fullmatch(r"Read \d+M words", line):
            log.plain(line)
        elif line and progress is None:
            os.write(self._kept, f"{line}\n".encode())

    def _progress(self, done: float, rate: int, alpha: float) -> None:
        self.rate = rate * self._threads / _MILLION
        if done >= self._shown + _STEP or (done >= 100 > self._shown):
            self._shown = done
            log.plain(f"##### Alpha: {max(0.0, alpha):.4f}  Progress: {done:.2f}%  Million Words/sec: {self.rate:.2f} #####")
