"""A connection to the switch of a job's network (switch.py), which lives as long as one is held. Standard library only.

A driver holds one while it starts a container. The container's shim holds another to the container's end, and the process that
makes the container's network plugs it in by that.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from sagewright.compute import links, namespaces, sockets
from sagewright.compute.switch import INTERFACE, NESTED, SOCKET

_PATIENCE = 20.0  # seconds for an answer of the switch


class Uplink:
    """Must be closed, or forgotten by the process's end."""

    def __init__(self, folder: Path) -> None:
        """Connects to the switch of a network's run folder. Raises OSError when none answers."""
        self.stream = sockets.connect(folder / SOCKET, _PATIENCE)
        try:
            greeting, self._user, _, _ = socket.recv_fds(self.stream, 1, 1)
        except OSError:
            self.stream.close()
            raise
        if not greeting or (greeting == NESTED) != bool(self._user):
            self.stream.close()
            raise ConnectionResetError("the switch went away")

    def close(self) -> None:
        """Lets go."""
        for descriptor in self._user:
            os.close(descriptor)
        self.stream.close()

    def enter_user(self) -> None:
        """Joins the switch's user namespace where it has one; the container's is then nested in it."""
        for descriptor in self._user:
            namespaces.enter(descriptor, namespaces.CLONE_NEWUSER)

    def plug(self, address: str, mask: str) -> None:
        """Gives our own network namespace an interface with this address. Raises OSError."""
        network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            socket.send_fds(self.stream, [b"p"], [network])
        finally:
            os.close(network)
        answer = self.stream.recv(1)
        if answer != b"\0":
            number = answer[0] if answer else 104
            raise OSError(number, f"the container could not be joined to its peers: {os.strerror(number)}")
        links.address(INTERFACE, address, mask)
        links.up(INTERFACE)
