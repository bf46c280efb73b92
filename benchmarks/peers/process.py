"""Starts a peer from an environment below .clients and waits until it answers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from sagewright.settings import free_port

_CLIENTS = Path(__file__).parents[2] / ".clients"
_READY_WITHIN = 120.0
_LAST = 1000
"""Characters of what a peer said that are shown when it does not start."""


class DoesNotStart(RuntimeError):
    """A peer that is not there, ended or does not answer in time."""


def program(environment: str, name: str) -> Path:
    """A program of the environment. Raises DoesNotStart where scripts/client-environments has not made it."""
    found = _CLIENTS / environment / "bin" / name
    if not found.exists():
        raise DoesNotStart(f".clients/{environment} has no {name}: `scripts/client-environments {environment}` makes it")
    return found


@contextlib.contextmanager
def peer(
    command: Sequence[str],
    variables: Mapping[str, str] | None = None,
    *,
    environment: str = "peers",
    answers: Callable[[str], bool] | None = None,
) -> Iterator[str]:
    """Yields the peer's address; ``{port}`` in the command and in variables is replaced by a free one. ``answers`` says, given the address, whether it is ready
    (else: as soon as it accepts connections). Nothing that it started outlives it."""
    port = free_port("127.0.0.1")
    first, *rest = (word.format(port=port) for word in command)
    given = {name: value.format(port=port) for name, value in (variables or {}).items()}
    argv = [sys.executable, str(Path(__file__).with_name("keeper.py")), str(program(environment, first)), *rest]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **given, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parent,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            if not _is_ready(process, lambda: _accepts(port) and (answers is None or answers(url))):
                size = said.seek(0, os.SEEK_END)
                said.seek(max(0, size - _LAST))
                raise DoesNotStart(f"{first}: {said.read().decode(errors='replace')}")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _is_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _READY_WITHIN
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
