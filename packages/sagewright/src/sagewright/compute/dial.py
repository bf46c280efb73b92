"""Reaches a port inside a container that has no network: asks the dialler beside it for a connected socket."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from sagewright.compute import dialler, sockets


def dial(folder: Path, port: int, timeout: float = 10.0) -> socket.socket:
    """A blocking TCP socket connected to 127.0.0.1:``port`` in the container of a run folder; see dial_socket."""
    return dial_socket(folder / dialler.DIAL_SOCKET, port, timeout)


def dial_socket(path: Path, port: int, timeout: float = 10.0) -> socket.socket:
    """Asks the dialler that listens at ``path``.

    Raises ConnectionRefusedError when nobody listens on the port, and the OSError of the Unix socket (FileNotFoundError,
    ConnectionRefusedError, TimeoutError) when no dialler answers.
    """
    with sockets.connect(path, timeout) as client:
        client.sendall(struct.pack("<H", port))
        answer, descriptors, _, _ = socket.recv_fds(client, 2, 1)
        if descriptors:
            connection = socket.socket(fileno=descriptors[0])
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        if answer == dialler.REFUSED:
            answer += client.recv(1)
    if len(answer) == 2 and answer[:1] == dialler.REFUSED:
        raise OSError(answer[1], f"port {port}: {os.strerror(answer[1])}")
    raise ConnectionResetError(f"port {port}: the dialler went away")
