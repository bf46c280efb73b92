"""Holds the network that the containers of one job share: a network namespace for each, joined by a bridge in one of its own.

A program in a session of its own, like a shim: request on standard input, answer on standard output. Its run folder holds its
record (started.json, so that it is found and ended like a container), a lock and the socket by which uplink.py speaks to it.
It lives as long as somebody holds a connection: the driver while it starts a container, then that container's shim. So it
survives the server, and nothing of it is left when the last container has ended, whether there is a server or not.

All namespaces are made before the first container starts: who calls a peer that does not run yet, or not any more, is refused
at once instead of waiting for an address that nobody has. Nothing is made in the host's own network. An ordinary user's switch
makes a user namespace, too, in which its containers have to nest to enter their networks. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

from sagewright.compute import links, namespaces, records, sockets

SOCKET = "switch.sock"
HELLO = b"h"
"""The greeting; an ordinary user's comes with a descriptor of the user namespace in which to nest."""
NETWORK = b"n"
"""Comes with the descriptor of the network namespace that was asked for by its place (two bytes, little-endian)."""

_BRIDGE, _INTERFACE = "bridge", "eth0"
_LOG = "switch.log"
_PATIENCE = 20.0  # seconds that whoever had us started has to connect
_REFUSALS = {
    errno.EPERM: "several instances need a network of their own, and this machine does not let us make one",
    errno.EACCES: "several instances need a network of their own, and this machine does not let us make one",
    errno.EINVAL: "several instances need a network of their own, and this kernel has no network namespaces",
    errno.EOPNOTSUPP: "several instances need a network of their own, and this kernel has no bridge or veth interfaces",
}
"""What would not be otherwise later; anything else may."""


def main() -> None:
    """Reads {"folder", "addresses", "mask"}; answers {"ok": true} once it or another switch serves, or {"errno", "text"}."""
    request = json.load(sys.stdin)
    folder = Path(request["folder"])
    if os.fork():
        os._exit(0)  # the driver waits for this process only
    os.setsid()
    answer = os.dup(1)
    _detach(folder)
    if records.lock(folder) is None:
        _answer(answer, {"ok": True})
        return
    try:
        user, networks = _dig(request["addresses"], request["mask"])
        listener = sockets.listen(folder / SOCKET)
    except OSError as error:
        _answer(answer, {"errno": error.errno, "text": error.strerror or str(error)})
        return
    _record(folder)
    _answer(answer, {"ok": True})
    try:
        _Switch(listener, user, networks).serve()
    finally:
        for name in (SOCKET, records.STARTED):
            (folder / name).unlink(missing_ok=True)


def _detach(folder: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(source, target)


def _dig(addresses: list[str], mask: str) -> tuple[int | None, list[int]]:
    """Moves into a network namespace with a bridge; descriptors of the user namespace that came with it, and of the containers'.

    Raises OSError: EOPNOTSUPP in words for what this machine will never do.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        namespaces.unshare(namespaces.CLONE_NEWNET | (namespaces.CLONE_NEWUSER if user else 0))
        if user:
            namespaces.map_user("self", 0, (user, group))
        links.add_bridge(_BRIDGE)
        networks = [_network(number, address, mask) for number, address in enumerate(addresses)]
    except OSError as error:
        if error.errno in _REFUSALS:
            raise OSError(errno.EOPNOTSUPP, _REFUSALS[error.errno]) from error
        raise
    return _own("user") if user else None, networks


def _network(number: int, address: str, mask: str) -> int:
    """Makes a network namespace with an address on our bridge; its descriptor. Raises OSError."""
    ours = _own("net")
    namespaces.unshare(namespaces.CLONE_NEWNET)
    theirs = _own("net")
    links.up("lo")
    namespaces.enter(ours, namespaces.CLONE_NEWNET)
    links.add_port(_BRIDGE, f"port{number}", _INTERFACE, theirs)
    namespaces.enter(theirs, namespaces.CLONE_NEWNET)
    links.address(_INTERFACE, address, mask)
    links.up(_INTERFACE)
    namespaces.enter(ours, namespaces.CLONE_NEWNET)
    os.close(ours)
    return theirs


def _own(kind: str) -> int:
    return os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _record(folder: Path) -> None:
    """The record of something that runs, as a shim writes it."""
    own = records.identify(os.getpid())
    record: dict[str, Any] = {
        "boot": records.boot_id(),
        "shim": own,
        "init": own,
        "user": None,
        "groups": {},
        "launcher": "switch",
        "network": "isolated",
        "started": time.time(),
    }
    records.write(folder, records.STARTED, record)


def _answer(descriptor: int, document: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the driver died meanwhile; nobody will connect, and we shall end
        os.write(descriptor, f"{json.dumps(document)}\n".encode())
    os.close(descriptor)


class _Switch:
    """Greets whoever connects, and gives the network namespaces to those who ask for them."""

    def __init__(self, listener: socket.socket, user: int | None, networks: list[int]) -> None:
        self._listener = listener
        self._greeting = [] if user is None else [user]
        self._networks = networks
        self._members: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)

    def serve(self) -> None:
        """Until nobody holds a connection any more, or nobody ever did."""
        patience: float | None = _PATIENCE
        while ready := self._poll.poll(None if patience is None else patience * 1000):
            descriptors = {descriptor for descriptor, _ in ready}
            for descriptor in descriptors & self._members.keys():
                self._hear(self._members[descriptor])
            if self._listener.fileno() in descriptors:  # last: it may get the descriptor of one who has just left
                self._greet()
            patience = None if self._members else 0  # one more look when all are gone: somebody may be at the door

    def _greet(self) -> None:
        member, _ = self._listener.accept()
        try:
            socket.send_fds(member, [HELLO], self._greeting)
        except OSError:  # whoever knocked has left
            member.close()
            return
        self._members[member.fileno()] = member
        self._poll.register(member, select.POLLIN)

    def _hear(self, member: socket.socket) -> None:
        try:
            words = member.recv(2)
            if len(words) == 2:
                socket.send_fds(member, [NETWORK], [self._networks[int.from_bytes(words, "little")]])
                return
        except OSError as error:
            print(f"a container left: {error}", file=sys.stderr, flush=True)
        self._poll.unregister(member)
        del self._members[member.fileno()]
        member.close()


if __name__ == "__main__":
    main()
