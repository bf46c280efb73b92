"""Runs a server behind a moat: in a network namespace of its own, reachable only through a dialler's Unix socket.

The embedded S3 server opens a dozen loopback ports without credentials; containers with an open network must not meet them.

    python -m sagewright.compute.moat --dial PATH [--die-with-parent] -- command...

The command keeps the environment, the working directory and the user. SIGTERM, SIGINT and SIGHUP are passed on to it, its
exit code becomes ours (128 + number for a signal), and it dies when we do. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from sagewright.compute import dialler, links, namespaces, sockets

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="sagewright.compute.moat")
    parser.add_argument("--dial", type=Path, required=True, help="where the dialler listens")
    parser.add_argument("--die-with-parent", action="store_true", help="end with SIGKILL when our parent ends")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.die_with_parent:
        namespaces.die_with_parent(os.getppid())
    with sockets.listen(options.dial) as listener:
        try:
            dig()
            return _run(options.command, listener)
        finally:
            options.dial.unlink(missing_ok=True)


def dig() -> None:
    """Moves this process into a network namespace of its own with loopback up. Raises OSError where that is not allowed."""
    user, group = os.geteuid(), os.getegid()
    namespaces.unshare(namespaces.CLONE_NEWNET | (namespaces.CLONE_NEWUSER if user else 0))
    if user:
        namespaces.map_user("self", user, (user, group))
    links.up("lo")


def _run(command: list[str], listener: socket.socket) -> int:
    child = _spawn(command)
    descriptor = os.pidfd_open(child)

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal.pidfd_send_signal(descriptor, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    try:
        _dial_until_exit(descriptor, listener)
    finally:
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _spawn(command: list[str]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    namespaces.die_with_parent(parent)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _dial_until_exit(child: int, listener: socket.socket) -> None:
    poll = select.poll()
    poll.register(child, select.POLLIN)
    poll.register(listener, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if child in ready:
            return
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            dialler.answer(client)


if __name__ == "__main__":
    sys.exit(main())
