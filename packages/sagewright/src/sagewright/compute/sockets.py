"""Unix sockets at paths of any length.

The kernel allows 107 bytes for a socket's address; a run folder is often longer. Going through /proc/self/fd keeps the
address short whatever the folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_MOST_DESCRIPTORS = 1 << 20


def listen(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket bound at ``path`` for its owner only (0600), listening when it is a stream; replaces a stale one."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, kind)
    mask = os.umask(0o177)
    try:
        with _short(path) as address:
            bound.bind(address)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(mask)
    if kind == socket.SOCK_STREAM:
        bound.listen(128)
    return bound


def connect(path: Path, timeout: float | None = None) -> socket.socket:
    """A stream connected to the socket at ``path``. Raises OSError."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(timeout)
    try:
        with _short(path) as address:
            stream.connect(address)
    except OSError:
        stream.close()
        raise
    return stream


def send_datagram(path: Path, data: bytes) -> None:
    """Sends one datagram without ever waiting for the reader. Raises OSError when nobody reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, _short(path) as address:
        sender.setblocking(False)
        sender.sendto(data, address)


def close_others(*kept: int) -> None:
    """Closes every descriptor above standard error but those ``kept``: a fork that runs on must not hold its parent's."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, _MOST_DESCRIPTORS)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
