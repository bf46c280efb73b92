"""Starts a peer from .clients/peers and waits until it answers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sagewright.settings import free_port

BIN = Path(__file__).parents[2] / ".clients" / "peers" / "bin"
_READY_WITHIN = 60.0


@contextlib.contextmanager
def peer(command: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[str]:
    """Yields the peer's address; ``{port}`` in the command is replaced by a free one."""
    port = free_port("127.0.0.1")
    argv = [str(BIN / command[0]), *(word.format(port=port) for word in command[1:])]
    process = subprocess.Popen(
        argv,
        env={**os.environ, **(environment or {}), "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the peer does not start")
        time.sleep(0.05)
