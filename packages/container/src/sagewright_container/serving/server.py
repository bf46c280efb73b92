"""The select loop: everything that has arrived, by frames or HTTP, is answered as one batch, without a timer.

While a batch is computed the next one gathers in the sockets, so batches grow with load and a lone request never waits
(measured: five times the throughput of a request at a time at 32 connections, nothing lost at one). With ``threads`` the
model is called from a pool instead, a request at a time, and the loop keeps answering pings meanwhile.
"""

from __future__ import annotations

import selectors
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from sagewright_container.serving.connection import Connection, Question
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.message import Request, Response

_PIECE = 1 << 16
_LARGE_PIECE = 1 << 20
"""Of what is known to come: each piece waits for the interpreter's lock, which the threads that read numbers give up every 5 ms only."""
_MUCH = 4 << 20
"""Bytes that wait for a slow reader before its stream is halted."""


@dataclass(frozen=True)
class Listener:
    """A listening socket and what makes a Connection of what it accepts."""

    socket: socket.socket
    connect: Callable[[], Connection]


class _Client:
    """An accepted socket with its connection."""

    def __init__(self, socket_: socket.socket, connection: Connection) -> None:
        self.socket = socket_
        self.connection = connection
        self.open = True
        self.waits_to_write = False
        self.room = threading.Event()
        self.room.set()


@dataclass(frozen=True)
class _End:
    """The last piece of an answer; ``broken`` when it is incomplete."""

    broken: bool


_Asked = tuple[_Client, Question]


class Server:
    """Serves ``endpoint`` on ``listeners`` until ``stop``; ``threads`` 0 answers batches in the loop itself."""

    def __init__(self, endpoint: Endpoint, listeners: Sequence[Listener], threads: int = 0) -> None:
        self._endpoint = endpoint
        self._listeners = listeners
        self._pool = ThreadPoolExecutor(threads, "model") if threads else None
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_write.setblocking(False)
        self._pieces: deque[tuple[_Client, bytes | _End]] = deque()
        self._asked: list[_Asked] = []
        self._answering = 0
        self._stopping = False

    def run(self) -> None:
        """Blocks until ``stop``; answers in hand are still sent."""
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        for listener in self._listeners:
            listener.socket.setblocking(False)
            self._selector.register(listener.socket, selectors.EVENT_READ, listener)
        while not self._stopping or self._answering:
            for key, events in self._selector.select(0 if self._asked else None):
                self._on_event(key.data, events)
            self._send_pieces()
            asked, self._asked = self._asked, []
            if asked:
                self._answer(asked)
        self._close()

    @property
    def wake_descriptor(self) -> int:
        """A byte written to it makes the loop look around."""
        return self._wake_write.fileno()

    def stop(self) -> None:
        """May be called from a signal handler or another thread."""
        self._stopping = True
        self._wake()

    def _on_event(self, data: Listener | _Client | None, events: int) -> None:
        if isinstance(data, _Client):
            if events & selectors.EVENT_WRITE:
                self._flush(data)
            if events & selectors.EVENT_READ and data.open:
                self._read(data)
        elif isinstance(data, Listener):
            self._accept(data)
        else:
            self._wake_read.recv(_PIECE)

    def _accept(self, listener: Listener) -> None:
        try:
            accepted, _ = listener.socket.accept()
        except OSError:  # the peer has left, or there are no descriptors for now
            return
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(accepted, selectors.EVENT_READ, _Client(accepted, listener.connect()))

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(_PIECE if client.connection.missing < _PIECE else _LARGE_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(client, data)
        else:
            self._drop(client)

    def _take(self, client: _Client, data: bytes) -> None:
        """Asks the connection for its questions; whoever breaks the protocol is cut off."""
        try:
            questions = client.connection.receive(data)
        except ValueError:
            self._drop(client)
            return
        self._asked += [(client, question) for question in questions]
        self._flush(client)

    def _answer(self, asked: list[_Asked]) -> None:
        if self._pool is None:
            self._answer_batch(asked)
        else:
            for client, question in asked:
                self._answering += 1
                self._pool.submit(self._answer_in_thread, client, question)

    def _answer_batch(self, asked: list[_Asked]) -> None:
        responses = self._responses([request for _, (_, request) in asked])
        for (client, (token, _)), response in zip(asked, responses):  # noqa: B905 - no strict= in Python 3.9
            for piece in client.connection.encode(token, response):
                client.connection.outgoing += piece
        for client in {client for client, _ in asked}:
            self._answered(client)

    def _responses(self, requests: list[Request]) -> list[Response]:
        """A defect of the endpoint costs the request that hits it, not its batch and not the server."""
        try:
            return self._endpoint.invoke(requests)
        except Exception:  # noqa: BLE001 - see above
            if len(requests) > 1:
                return [self._responses([request])[0] for request in requests]
            traceback.print_exc()
            return [Response(500, traceback.format_exc().encode())]

    def _answer_in_thread(self, client: _Client, question: Question) -> None:
        """Hands the answer to the loop piece by piece; a stream that breaks off cuts the connection, as HTTP demands."""
        token, request = question
        broken = False
        pieces = client.connection.encode(token, self._responses([request])[0])
        try:
            for piece in pieces:
                client.room.wait()
                if not client.open:  # nobody listens: an endless stream must not keep the model
                    break
                self._pieces.append((client, piece))
                self._wake()
        except Exception as error:  # noqa: BLE001 - the user's generator may raise anything, after the head was sent
            print(f"response stream broken: {error!r}", flush=True)
            broken = True
        del pieces  # closes the user's generator here, not in the loop
        self._pieces.append((client, _End(broken)))
        self._wake()

    def _send_pieces(self) -> None:
        while self._pieces:
            client, piece = self._pieces.popleft()
            if isinstance(piece, bytes):
                client.connection.outgoing += piece
                self._flush(client)
                continue
            self._answering -= 1
            if piece.broken:
                self._drop(client)
            else:
                self._answered(client)

    def _answered(self, client: _Client) -> None:
        """Looks for a question that waited behind this one, and sends what is left."""
        self._asked += [(client, question) for question in client.connection.answered()]
        self._flush(client)

    def _flush(self, client: _Client) -> None:
        outgoing = client.connection.outgoing
        try:
            while client.open and outgoing:
                del outgoing[: client.socket.send(outgoing)]
        except BlockingIOError:
            self._watch_writing(client, True)
            if len(outgoing) > _MUCH:
                client.room.clear()
            return
        except OSError:
            self._drop(client)
        client.room.set()
        self._watch_writing(client, False)
        if client.connection.closing:
            self._drop(client)

    def _watch_writing(self, client: _Client, wanted: bool) -> None:
        if client.open and client.waits_to_write != wanted:
            client.waits_to_write = wanted
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
            self._selector.modify(client.socket, events, client)

    def _drop(self, client: _Client) -> None:
        if client.open:
            client.open = False
            client.room.set()
            self._selector.unregister(client.socket)
            client.socket.close()

    def _wake(self) -> None:
        with suppress(OSError):  # the pipe is full of wake-ups already, or the loop has ended
            self._wake_write.send(b"\0")

    def _close(self) -> None:
        """Sends what is left, each peer within a second, and closes everything."""
        for client in [key.data for key in self._selector.get_map().values() if isinstance(key.data, _Client)]:
            client.socket.settimeout(1)
            self._flush(client)
            self._drop(client)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        if self._pool is not None:
            self._pool.shutdown()
