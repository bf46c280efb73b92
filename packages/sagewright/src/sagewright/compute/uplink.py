"""A connection to the switch of a job's network (switch.py), which lives as long as one is held. Standard library only.

A driver holds one while it starts a container; the container's shim holds another to the container's end.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from sagewright.compute import namespaces, sockets
from sagewright.compute.switch import HELLO, NETWORK, SOCKET

_PATIENCE = 20.0  # seconds for an answer of the switch


class Uplink:
    """Must be closed, or forgotten by the process's end."""

    def __init__(self, folder: Path) -> None:
        """Connects to the switch of a network's run folder. Raises OSError when none answers."""
        self._stream = sockets.connect(folder / SOCKET, _PATIENCE)
        try:
            self._user = self._receive(HELLO)
        except OSError:
            self._stream.close()
            raise

    def close(self) -> None:
        """Lets go."""
        for descriptor in self._user:
            os.close(descriptor)
        self._stream.close()

    def enter(self, place: int) -> None:
        """Joins the network namespace with this place, and before it the switch's user namespace where it has one."""
        self._stream.sendall(place.to_bytes(2, "little"))
        (network,) = self._receive(NETWORK)
        for descriptor in self._user:
            namespaces.enter(descriptor, namespaces.CLONE_NEWUSER)
        namespaces.enter(network, namespaces.CLONE_NEWNET)
        os.close(network)

    def _receive(self, expected: bytes) -> list[int]:
        word, descriptors, _, _ = socket.recv_fds(self._stream, 1, 1)
        if word != expected:
            raise ConnectionResetError("the switch went away")
        return descriptors
