"""A zygote: imports an image's libraries once, then forks a shim for every request.

Standard input brings one line of JSON, {"socket", "modules"}, and then nothing: its end means that the server has ended, and
so do we. A request on the socket is a length (four bytes, little-endian) and a shim's request as JSON; the shim answers on the
same connection. This process reads no request itself: nothing of one container is in the memory of the next. It has a clean
environment and no descriptors of the server.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path

from sagewright.compute import python_entry, shim, sockets


def main() -> None:
    """Runs until the server ends."""
    del sys.path[0]  # the server's own packages: no business of the containers
    setup = json.loads(_first_line())
    began = time.monotonic()
    missing = [name for name in setup["modules"] if not _import(name)]
    python_entry.remember_path()
    # Frozen objects are not touched by a container's garbage collector, so that their pages stay shared.
    gc.collect()
    gc.freeze()
    with sockets.listen(Path(setup["socket"])) as listener:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a shim is nobody's child to wait for
        took = time.monotonic() - began
        print(f"zygote ready after {took:.2f} s; not importable: {', '.join(missing) or 'none'}", file=sys.stderr, flush=True)
        os.write(1, b"ready\n")
        _quiet(1)
        _serve(listener)


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)  # one by one: what comes after it is not ours to swallow
        if not piece:
            sys.exit(0)
        line += piece
    return line


def _import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return False
    return True


def _serve(listener: socket.socket) -> None:
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(listener, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if 0 in ready:
            return
        connection, _ = listener.accept()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads at a fork: those of idle BLAS pools, which start again in the child.
            warnings.simplefilter("ignore", DeprecationWarning)
            forked = os.fork()
        if forked == 0:
            listener.close()
            _supervise(connection)
        connection.close()


def _supervise(connection: socket.socket) -> None:
    """In the fork: this is the shim now."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        _quiet(0)
        with connection.makefile("rb") as stream:
            request = json.loads(stream.read(int.from_bytes(stream.read(4), "little")))
        shim.supervise(request, connection.detach(), python_entry.run)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)  # whatever happened, a fork must not go on as the zygote


def _quiet(descriptor: int) -> None:
    ctypes.CDLL(None).fflush(None)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
