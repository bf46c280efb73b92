"""Lets a container without a network reach one address outside: the front's.

A port on the container's loopback is made by a process that lives in its network namespace and handed to the relay, a fork of
the shim that stays outside. The relay accepts there, connects to the one address it was told and copies bytes; it ends with the
shim. Standard library only: zygotes run this in a fork.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import NoReturn

from sagewright.compute import namespaces, sockets

MOST_CONNECTIONS = 512
"""At once; more wait in the listener's backlog."""
_PIECE = 1 << 18
_TURN = 16  # pieces before another connection has its turn
_PATIENCE = 5.0  # seconds to reach the address


def spawn(target: tuple[str, int]) -> tuple[int, socket.socket]:
    """Forks a relay to ``target`` that dies with us; returns its process id and the socket to hand the listener over (``give``)."""
    parent = os.getpid()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _run(target, theirs, parent)
    theirs.close()
    return pid, ours


def give(channel: socket.socket, port: int) -> None:
    """Makes the port on the loopback of our own network namespace and hands it to the relay."""
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        socket.send_fds(channel, [b"l"], [listener.fileno()])


def _run(target: tuple[str, int], channel: socket.socket, parent: int) -> NoReturn:
    """A fork of the shim must not go on as the shim, whatever happens."""
    try:
        namespaces.die_with_parent(parent)
        sockets.close_others(channel.fileno())
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        channel.close()
        if descriptors:  # else the container never came to be
            _Relay(socket.socket(fileno=descriptors[0]), target).serve()
    finally:
        os._exit(1)


class _Stream:
    """One direction of one connection: from ``source`` to ``sink``, at most one piece in hand."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.piece = b""
        self.ended = False

    def move(self) -> None:
        """What goes without waiting, for one turn. Raises OSError when the connection is gone."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_TURN):
                self.piece = self.piece or self.source.recv(_PIECE)
                if not self.piece:
                    self.ended = True
                    self.sink.shutdown(socket.SHUT_WR)
                    return
                self.piece = self.piece[self.sink.send(self.piece) :]


class _Pair:
    """A connection of the container and ours to the address."""

    def __init__(self, inside: socket.socket, outside: socket.socket) -> None:
        self.sides = (inside, outside)
        self.streams = (_Stream(inside, outside), _Stream(outside, inside))

    def move(self) -> bool:
        """False when there is nothing left to do."""
        try:
            for stream in self.streams:
                if not stream.ended:
                    stream.move()
        except OSError:
            return False
        return not all(stream.ended for stream in self.streams)

    def events(self, side: socket.socket) -> int:
        """What to wait for on one side."""
        reads = any(stream.source is side and not stream.ended and not stream.piece for stream in self.streams)
        writes = any(stream.sink is side and stream.piece for stream in self.streams)
        return (select.EPOLLIN if reads else 0) | (select.EPOLLOUT if writes else 0)


class _Relay:
    """All connections of one container, on one thread."""

    def __init__(self, listener: socket.socket, target: tuple[str, int]) -> None:
        self._listener = listener
        self._target = target
        self._epoll = select.epoll()
        self._waiting: dict[int, _Pair] = {}
        self._count = 0

    def serve(self) -> NoReturn:
        self._listener.setblocking(False)
        self._epoll.register(self._listener, select.EPOLLIN)
        while True:
            ready = {descriptor for descriptor, _ in self._epoll.poll()}
            for pair in {self._waiting[descriptor] for descriptor in ready if descriptor in self._waiting}:
                self._serve(pair)
            if self._listener.fileno() in ready:
                self._accept()

    def _accept(self) -> None:
        try:
            inside, _ = self._listener.accept()
        except OSError:  # whoever knocked has left
            return
        try:
            outside = socket.create_connection(self._target, _PATIENCE)
        except OSError:
            inside.close()  # as a server does that goes away
            return
        for side in (inside, outside):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._count += 1
        if self._count == MOST_CONNECTIONS:
            self._epoll.unregister(self._listener)
        self._serve(_Pair(inside, outside))

    def _serve(self, pair: _Pair) -> None:
        alive = pair.move()
        for side in pair.sides:
            if self._waiting.pop(side.fileno(), None) is not None:
                self._epoll.unregister(side)
            if alive and (events := pair.events(side)):
                self._epoll.register(side, events)
                self._waiting[side.fileno()] = pair
        if not alive:
            self._forget(pair)

    def _forget(self, pair: _Pair) -> None:
        for side in pair.sides:
            side.close()
        if self._count == MOST_CONNECTIONS:
            self._epoll.register(self._listener, select.EPOLLIN)
        self._count -= 1
