"""The way across the moat around the embedded S3 server.

The moat itself is compute/moat.py, started as a program; its dialler speaks the format of docs/architecture.md ("Route snapshot"):
send a port as two bytes, little-endian, receive a connected socket.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from pathlib import Path


def moat_command(dial: Path) -> list[str]:
    """What to put before a command so that only the dialler at ``dial`` reaches its ports."""
    return [sys.executable, "-m", "sagewright.compute.moat", "--dial", str(dial), "--die-with-parent", "--"]


def cross(dial: str, port: int, patience: float = 5.0) -> socket.socket:
    """A socket connected to ``port`` behind the moat. Raises OSError. Blocks for well under a millisecond while all is well."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(patience)
        client.connect(dial)
        client.sendall(struct.pack("<H", port))
        return _taken(client, port)


async def cross_async(dial: str, port: int, patience: float = 5.0) -> socket.socket:
    """The same on an event loop. Without a thread, because a socket that a thread brings after a cancellation has no owner."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        async with asyncio.timeout(patience):
            await loop.sock_connect(client, dial)
            await loop.sock_sendall(client, struct.pack("<H", port))
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(client, _resolve, readable)
            try:
                await readable
            finally:
                loop.remove_reader(client)
        return _taken(client, port)


def _taken(client: socket.socket, port: int) -> socket.socket:
    answer, descriptors, _, _ = socket.recv_fds(client, 2, 1)
    if descriptors:
        connected = socket.socket(fileno=descriptors[0])
        connected.setblocking(False)
        return connected
    number = answer[1] if len(answer) == 2 else 0
    raise ConnectionRefusedError(number, f"port {port}: {os.strerror(number) if number else 'the dialler went away'}")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
