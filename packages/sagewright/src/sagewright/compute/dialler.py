"""Hands out TCP connections to the loopback of the network namespace it lives in.

Asked over a Unix socket (docs/architecture.md, "Route snapshot"): the client sends a port as two bytes, little-endian, and
receives one connected socket by SCM_RIGHTS with the byte ``+``, or ``!`` and an errno as one byte. Whoever may open the Unix
socket may reach every port on that loopback: it stays in a folder that only the server can enter.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.send_fds imports it when called: inside an image there may be no Python to import from
import contextlib
import errno
import os
import socket
import struct
from pathlib import Path

from sagewright.compute import namespaces, relay, sockets

DIAL_SOCKET = "dial.sock"  # in the run folder
CONNECTED = b"+"
REFUSED = b"!"
PATIENCE = 1.0  # seconds: a client that says nothing, or a listener whose backlog is full, holds the others up no longer


def spawn(path: Path, way_out: tuple[socket.socket, int] | None = None) -> tuple[int, socket.socket]:
    """Forks a dialler that listens at ``path`` and dies with us; returns its process id and where to tell it the namespace.

    It must be forked by who may join that namespace; it waits for ``send_pid``. ``way_out`` is a relay's channel and the port
    to make for it there.
    """
    parent = os.getpid()
    listener = sockets.listen(path)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        namespaces.die_with_parent(parent)
        ours.close()
        _join_and_serve(listener, theirs, way_out)
    theirs.close()
    listener.close()
    return pid, ours


def send_pid(channel: socket.socket, pid: int) -> None:
    """Tells a dialler to serve the network namespace of a process."""
    channel.sendall(struct.pack("<I", pid))


def serve(listener: socket.socket) -> None:
    """Answers one client after the other until the listener is shut down (OSError)."""
    while True:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            answer(client)


def answer(client: socket.socket) -> None:
    """Reads one request and answers it. Raises OSError when the client goes away."""
    client.settimeout(PATIENCE)
    request = client.recv(2, socket.MSG_WAITALL)
    if len(request) < 2:
        return
    (port,) = struct.unpack("<H", request)
    try:
        connection = _connected(port)
    except OSError as error:
        client.sendall(REFUSED + bytes([_number(error)]))
        return
    with connection:
        connection.settimeout(None)
        socket.send_fds(client, [CONNECTED], [connection.fileno()])


def _connected(port: int) -> socket.socket:
    """Without looking a name up: the resolver would load whatever libraries an image has in their place."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    return connection


def _join_and_serve(listener: socket.socket, channel: socket.socket, way_out: tuple[socket.socket, int] | None) -> None:
    try:
        sockets.close_others(*(kept.fileno() for kept in (listener, channel, *(() if way_out is None else way_out[:1]))))
        message = channel.recv(4, socket.MSG_WAITALL)
        if len(message) < 4:
            os._exit(0)  # the container never came to be
        namespaces.enter_network(struct.unpack("<I", message)[0])
        channel.close()
        if way_out is not None:
            relay.give(*way_out)
            way_out[0].close()
        serve(listener)
    finally:
        os._exit(1)  # a fork of the shim must not go on as the shim


def _number(error: OSError) -> int:
    return error.errno if error.errno is not None and 0 < error.errno < 256 else errno.ETIMEDOUT
