"""The rest of a body, straight from its socket: for who moves many bytes without looking at them.

What a parser and an event loop make of a body costs more than the bytes themselves: fresh memory for each packet, a copy out of it,
a callback. Here they go into memory that is there already, or on to another socket without leaving the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

_AT_ONCE = 512 * 1024
"""Bytes to wait for before anybody is woken: each wake costs as much as copying twice of that."""


class Source(Protocol):
    """What can be moved on to another socket: ``left`` bytes behind ``received``. A context manager, which gives back what it holds."""

    received: list[bytes]
    left: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...

    async def splice(self, pipe: int, most: int) -> int:
        """Moves bytes into a pipe that is empty, ``most`` of them; how many there were."""
        ...


class Direct:
    """``left`` bytes are to come from ``socket``, behind ``received``; use it as a context manager, which gives the connection back
    when all was taken and cuts it otherwise. Raises ConnectionError when the server broke off, TimeoutError when it is silent."""

    __slots__ = ("_give", "_patience", "_wakes_at", "left", "received", "socket")

    def __init__(
        self, received: list[bytes], left: int, source: socket.socket, patience: float, give: Callable[[int], None]
    ) -> None:
        """``source`` is non-blocking and ours to close; ``give``: called at the end with how many bytes were not taken."""
        self.received = received
        self.left = left
        self.socket = source
        self._patience = patience
        self._give = give
        self._wakes_at = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Call it once."""
        with contextlib.suppress(OSError):
            self._wake_at(1)
        self.socket.close()
        self._give(self.left)

    async def read_into(self, memory: memoryview) -> None:
        """Fills the memory, which is as long as what is left or shorter."""
        at = self._received_into(memory)
        loop = asyncio.get_running_loop()
        while at < len(memory):
            self._wake_at(min(len(memory) - at, _AT_ONCE))
            async with asyncio.timeout(self._patience):
                count = await loop.sock_recv_into(self.socket, memory[at:])
            self.took(count)
            at += count

    async def splice(self, pipe: int, most: int) -> int:
        """Moves bytes into a pipe that is empty, ``most`` of them; how many there were."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                count = os.splice(self.socket.fileno(), pipe, min(most, self.left), flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                self._wake_at(min(self.left, _AT_ONCE))
                async with asyncio.timeout(self._patience):
                    await ready(loop.add_reader, loop.remove_reader, self.socket)
                continue
            self.took(count)
            return count

    def took(self, count: int) -> None:
        """So many bytes came from the socket. Raises ConnectionError when they were none."""
        if not count:
            raise ConnectionError("the server broke off its answer")
        self.left -= count

    def _received_into(self, memory: memoryview) -> int:
        at = 0
        while self.received and at < len(memory):
            part = self.received.pop(0)
            count = min(len(part), len(memory) - at)
            memory[at : at + count] = part[:count]
            at += count
            if count < len(part):
                self.received.insert(0, part[count:])
        return at

    def _wake_at(self, count: int) -> None:
        """A window that is full wakes, too, so nobody waits for more than fits into it."""
        if count != self._wakes_at:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            self._wakes_at = count


async def ready(add: Callable[..., object], remove: Callable[..., object], watched: socket.socket) -> None:
    """Waits for a socket, with the event loop's functions for one direction."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(watched, _resolve, future)
    try:
        await future
    finally:
        remove(watched)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
