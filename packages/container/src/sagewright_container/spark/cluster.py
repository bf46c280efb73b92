"""Spark's own cluster (standalone) over the hosts of a job: algo-1 has the master and the driver, every host has a worker.

The driver's host is listened to by the others: as long as their connection lasts the application runs; a byte at its end says that
it went well, and its end without one that it did not.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

MASTER_PORT, END_PORT = 7077, 7079
_PATIENCE = 120.0  # seconds for the other hosts to be there
_WELL = b"."


def java_command(home: Path, *words: str) -> list[str]:
    """A class of Spark with its arguments. By bash: a package may have lost the permission to execute its scripts."""
    return ["/bin/bash", str(home / "bin" / "spark-class"), *words]


def cores() -> int:
    """Those that this container may use."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def driver_host(home: Path, host: str, hosts: Sequence[str], environment: dict[str, str]) -> Iterator[Ending]:
    """Master and worker beside the driver; at the end the other hosts hear how it went."""
    ending = Ending(len(hosts) - 1)
    started = [
        subprocess.Popen(
            java_command(home, "org.apache.spark.deploy.master.Master", *_place(host, MASTER_PORT)), env=environment
        )
    ]
    try:
        _wait_for(host, MASTER_PORT, started[0])
        started.append(_worker(home, host, host, environment))
        yield ending
    finally:
        ending.tell()
        _end(started)


def follow_driver(home: Path, host: str, driver: str, environment: dict[str, str]) -> int:
    """A worker for as long as the application runs; the exit code of this host."""
    worker = None
    with _connected(driver, END_PORT) as line:
        try:
            _wait_for(driver, MASTER_PORT)
            worker = _worker(home, host, driver, environment)
            return 0 if line.recv(1) == _WELL else 1
        finally:
            _end([worker] if worker else [])


class Ending:
    """Tells the other hosts how the application ended."""

    def __init__(self, others: int) -> None:
        self.well = False
        self._server = socket.create_server(("0.0.0.0", END_PORT))
        self._lines: list[socket.socket] = []
        self._others = others
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(self) -> None:
        """Once."""
        self._server.close()
        for line in self._lines:
            with contextlib.suppress(OSError), line:
                if self.well:
                    line.sendall(_WELL)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while len(self._lines) < self._others:
                self._lines.append(self._server.accept()[0])


def _worker(home: Path, host: str, driver: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    words = ("org.apache.spark.deploy.worker.Worker", "--host", host, "--cores", str(cores()), "--webui-port", "0")
    return subprocess.Popen(java_command(home, *words, f"spark://{driver}:{MASTER_PORT}"), env=environment)


def _place(host: str, port: int) -> tuple[str, ...]:
    return ("--host", host, "--port", str(port), "--webui-port", "0")


def _wait_for(host: str, port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Until somebody listens there. Raises OSError after a while, or at once when the ``process`` that should has ended."""
    _connected(host, port, process).close()


def _connected(host: str, port: int, process: subprocess.Popen[bytes] | None = None) -> socket.socket:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            line = socket.create_connection((host, port), 10)
            line.settimeout(None)
            return line
        except OSError:
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                raise
            time.sleep(0.1)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
