"""Starts the user's program as a plain process: the launcher "process", where nothing better exists. No isolation at all."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from sagewright.compute import launch, limits, namespaces, records
from sagewright.compute.cgroups import Cgroup


class Tree(launch.Container):
    """A process and what it started; the shim adopts whatever loses its parent."""

    def kill(self) -> None:
        """Ends the user's process and everything that ever descended from it; only the child is left, to be waited for."""
        while left := [pid for pid in _below(os.getpid()) if pid != self.child]:
            for pid in (self.child, *left):
                _kill(pid)
            _bury(except_for=self.child)
        _kill(self.child)

    def conclude(self, code: int) -> tuple[int, str]:
        """What the program left running ends with it, as in a container."""
        while left := _below(os.getpid()):
            for pid in left:
                _kill(pid)
            _bury(except_for=None)
        return code, ""


def start(request: launch.Request, group: Cgroup | None, stdout: int, entry: launch.Entry | None) -> launch.Container:
    """The launcher; see launch.py."""
    namespaces.adopt_orphans()
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        namespaces.die_with_parent(parent)
        ours.close()
        if theirs.recv(1) != b"g":
            os._exit(1)
        limits.restrain(request["limits"], group)
        limits.restrain_processes(request["limits"], group)
        launch.become(request, stdout, entry)
    theirs.close()
    if group is not None:
        group.add(child)
    ours.sendall(b"g")
    ours.close()
    return Tree(child, child, child)


def session(leader: int) -> list[int]:
    """The processes of a session, for when no shim is left to know them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(text[text.rindex(")") + 2 :].split()[3]) == leader:
                found.append(int(entry.name))
    return found


def _below(pid: int) -> list[int]:
    return records.descendants(pid)[1:]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _bury(except_for: int | None) -> None:
    """Waits for the children that have ended: their ids stay taken until then."""
    for pid in records.children(os.getpid()):
        if pid != except_for:
            _kill(pid)  # it may have come to us since
            os.waitpid(pid, 0)
