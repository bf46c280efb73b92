"""Stands for SSH between the hosts of a job: what mpirun has to start on another host is asked of that host's toolkit.

AWS's images have an SSH server and keys. Hosts here are in a network that only they share, so a socket does. The host that leads
holds a connection to each one that follows, for as long as it works; what it wants to be run comes on connections of their own,
from this module as a program in the place of ``ssh``: ``python -m sagewright_container.training.remote HOST COMMAND...``.
A message is a line of JSON.
"""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

PORT = 7778
_PATIENCE = 300.0  # seconds for the other hosts to be there, as in AWS's toolkit
_PAUSE = 0.05


def follow() -> int:
    """Does what the host that leads asks for until it says that it is done; returns 1 when it goes without a word."""
    ended: queue.Queue[int] = queue.Queue()
    with socket.create_server(("", PORT), backlog=64) as server:
        threading.Thread(target=_accept, args=(server, ended), daemon=True).start()
        return ended.get()


@contextmanager
def leading(hosts: Iterable[str]) -> Iterator[None]:
    """Keeps the other hosts following. Raises OSError when one is not there in time."""
    with ExitStack() as stack:
        streams = [stack.enter_context(_call(host)) for host in hosts]
        for stream in streams:
            _say(stream, {"follow": True})
        yield
        for stream in streams:
            _say(stream, {"done": True})


def main() -> int:
    """In the place of ssh: has a command run by another host's shell; its exit code."""
    host, *command = sys.argv[1:]
    with _call(host) as stream:
        _say(stream, {"run": " ".join(command)})
        answer = stream.makefile().readline()
    return int(json.loads(answer)["code"]) if answer else 255  # what ssh says when it fails itself


def _accept(server: socket.socket, ended: queue.Queue[int]) -> None:
    while True:
        try:
            stream, _ = server.accept()
        except OSError:  # the server was closed: it is over
            return
        threading.Thread(target=_obey, args=(stream, ended), daemon=True).start()


def _obey(stream: socket.socket, ended: queue.Queue[int]) -> None:
    with stream, stream.makefile() as messages:
        first = json.loads(messages.readline() or "{}")
        if "run" in first:
            code = subprocess.run(["/bin/sh", "-c", first["run"]], stdin=subprocess.DEVNULL, check=False).returncode
            _say(stream, {"code": code if code >= 0 else 128 - code})
        elif "follow" in first:
            ended.put(0 if messages.readline() else 1)


def _call(host: str) -> socket.socket:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return socket.create_connection((host, PORT))
        except ConnectionRefusedError:  # its toolkit is not that far yet
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


def _say(stream: socket.socket, message: dict[str, Any]) -> None:
    stream.sendall(f"{json.dumps(message)}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
