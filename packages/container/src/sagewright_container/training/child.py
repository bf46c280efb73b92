"""The user's program in a process of its own: its standard error passes through and its end is kept, signals are handed on."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from types import FrameType
from typing import IO, NoReturn, Protocol

from sagewright_container import interpreter

_KEPT_LINES = 100


def run(words: list[str]) -> tuple[int, str]:
    """(exit code, message): the message is the last error on standard error."""
    received: list[int] = []
    process: _Process | None = None

    def hand_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if process is not None:
            process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    # caught before the start: a signal must find either us, ready, or the program
    process = _Fork(words, before) if _is_imported(words) else subprocess.Popen(words, stderr=subprocess.PIPE)
    for early in received:
        process.send_signal(early)
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    reader = threading.Thread(target=_pass_on, args=(process.stderr, kept), daemon=True)
    reader.start()
    status = process.wait()
    reader.join(timeout=5)
    return (status if status >= 0 else 128 - status), _last_error("".join(kept))


class _Process(Protocol):
    """What subprocess.Popen and _Fork have in common."""

    stderr: IO[bytes] | None

    def send_signal(self, sig: int) -> None: ...

    def wait(self) -> int: ...


def _is_imported(words: list[str]) -> bool:
    """Whether it is a module of a package that this process, a zygote's child, has in memory already: torchrun needs a second less."""
    is_module = words[0] == sys.executable and words[1] == "-m"
    return is_module and words[2].partition(".")[0] in sys.modules and not interpreter.is_stale()


class _Fork:
    """``python -m module …`` in a fork of this process."""

    def __init__(self, words: list[str], handlers: Mapping[signal.Signals, object]) -> None:
        reading, writing = os.pipe()
        self.stderr: IO[bytes] | None = os.fdopen(reading, "rb")
        sys.stdout.flush()
        sys.stderr.flush()
        self._ended = False
        self._pid = os.fork()
        if self._pid == 0:
            os.dup2(writing, 2)
            for number, handler in handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            _become(words)
        os.close(writing)

    def send_signal(self, sig: int) -> None:
        """Nothing when it has ended: its id may be somebody else's by then."""
        if not self._ended:
            os.kill(self._pid, sig)

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        self._ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _become(words: list[str]) -> NoReturn:
    """Runs the module as the main program, and ends as an interpreter does."""
    code = 1
    try:
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            code = (end.code or 0) & 0xFF
        else:
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - the top of a program: everything is reported and ends it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pass_on(stream: IO[bytes] | None, kept: deque[str]) -> None:
    for line in stream or ():
        text = line.decode("utf-8", "replace")
        sys.stderr.write(text)
        sys.stderr.flush()
        kept.append(text)


def _last_error(text: str) -> str:
    """``ValueError: text`` of the last traceback, else the last line that is not indented."""
    lines = text.strip().splitlines()
    starts = [at for at, line in enumerate(lines) if line and not line[0].isspace()]
    return "\n".join(lines[starts[-1] :]) if starts else ""
