"""fastText one epoch at a time: it reads its text from a pipe, so who writes the text decides when the next epoch begins.

fastText has no word for "stop after each epoch". It opens its input twice: to count the words, then to train, and reads it as a
stream. Each time it gets a pipe of its own (the input is a link that points to the second once the first is open). Blanks
are no words to it: as soon as more of them are written than pipe and buffer hold, all text before them has been learned, and
the training thread waits for more. The model can then be looked at and changed. It is the model that fastText itself makes
of the file, bit by bit. One thread only: two would tear lines apart.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from sagewright_algorithms.blazingtext.library import Model

_READ_AHEAD = 4 * 8192
"""More than the buffer of a C++ stream (8 KiB)."""
_GET_PIPE_SIZE = 1032  # F_GETPIPE_SZ has a name only from Python 3.10 on Linux on
_PIECE = 1 << 20
_MOMENT = 0.002


class Epochs:
    """A training that waits after each epoch. To be used in ``with``; ``next`` is one epoch, ``stop`` the end before time."""

    def __init__(self, model: Model, given: Any, text: Path, scratch: Path) -> None:
        """``given``: fastText's arguments; its input is set here."""
        self._text = text
        self._first, self._second, self._link = (scratch / name for name in ("words", "training", "input"))
        os.mkfifo(self._first)
        os.mkfifo(self._second)
        self._link.symlink_to(self._first)
        given.input, given.thread = str(self._link), 1
        self._left = given.epoch
        self._error: Exception | None = None
        self._thread = Thread(target=self._train, args=(model, given), daemon=True)
        self._output = -1

    def __enter__(self) -> Epochs:
        self._thread.start()
        self._output = self._opened(self._first)
        replacement = self._link.with_name("next")
        replacement.symlink_to(self._second)
        replacement.replace(self._link)
        self._write_text()
        os.close(self._output)
        self._output = self._opened(self._second)
        return self

    def __exit__(self, *_: object) -> None:
        """Raises ClientError when the training failed."""
        if self._output >= 0:
            self.stop()
            os.close(self._output)
        self._thread.join()
        self._raise()

    def next(self) -> None:
        """One epoch; afterwards the model stands still. Raises ClientError when the training failed."""
        self._left -= 1
        going = self._write_text()
        if going and self._left > 0:
            going = self._write(b" " * (fcntl.fcntl(self._output, _GET_PIPE_SIZE) + _READ_AHEAD))
        while going and self._left == 0:  # it counts in steps of some words, and so reads a little more than its epochs
            going = self._write_text()
        if not going:
            self._thread.join()
            self._raise()

    def stop(self) -> None:
        """To the end of what fastText expects to read, without learning: lines without a label teach nothing."""
        while self._thread.is_alive() and self._write(b"\n" * _PIECE):
            pass

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _train(self, model: Model, given: Any) -> None:
        try:
            model.train(given)
        except Exception as error:  # noqa: BLE001 - raised again where the training is waited for
            self._error = error

    def _opened(self, pipe: Path) -> int:
        """For writing, as soon as fastText reads; -1 when it has ended instead."""
        while self._thread.is_alive():
            try:
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody reads yet
                    raise
                self._thread.join(_MOMENT)
            else:
                os.set_blocking(descriptor, True)
                return descriptor
        return -1

    def _write_text(self) -> bool:
        """The last line gets its end: another epoch's first follows."""
        last = b"\n"
        with self._text.open("rb") as content:
            while piece := content.read(_PIECE):
                if not self._write(piece):
                    return False
                last = piece[-1:]
        return last == b"\n" or self._write(b"\n")

    def _write(self, piece: bytes) -> bool:
        """False when nobody reads any more: the training is over, well or badly."""
        if self._output < 0:
            return False
        with suppress(BrokenPipeError):
            view = memoryview(piece)
            while view:
                view = view[os.write(self._output, view) :]
            return True
        return False
