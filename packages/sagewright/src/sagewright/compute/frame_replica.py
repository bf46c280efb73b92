"""A built-in algorithm's server: frames, multiplexed over its Unix socket."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sagewright.compute.http_connection import Answer, Broken, Chunks, StreamedAnswer, Unsent
from sagewright.compute.payload import FilePayload, PayloadTooLarge
from sagewright.compute.replica import HEADER_NAMES, Address, Operation
from sagewright.wire.frames import LARGEST_FRAME, FrameClient

LARGEST_PAYLOAD = LARGEST_FRAME - 1024 * 1024
"""Bytes of a body that a frame carries beside its header."""


class FrameReplica:
    """A built-in algorithm's server: one connection carries every call, answers come in any order."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0
        self._client: FrameClient | None = None
        self._connecting = asyncio.Lock()

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See Replica."""
        self.in_flight += 1
        try:
            return await self._ask(headers, body, timeout)
        finally:
            self.in_flight -= 1

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """See Replica; the whole answer is one chunk, and so is the question: a frame."""
        if isinstance(body, FilePayload):
            if body.size > LARGEST_PAYLOAD:
                raise PayloadTooLarge(body.size, LARGEST_PAYLOAD)
            body = await asyncio.to_thread(body.file.read_bytes)
        status, head, payload = await self.invoke(headers, body, timeout)
        parts = [payload] if payload else []

        async def take() -> bytes | None:
            return parts.pop() if parts else None

        return StreamedAnswer(status, head, Chunks(take, parts.clear))

    async def manage(self, operation: Operation, model: str, body: bytes, timeout: float) -> Answer:
        """See ModelHost."""
        return await self._ask({"op": operation, "model": model}, body, timeout)

    async def ping(self, timeout: float) -> bool:
        """See Replica."""
        try:
            return (await self._ask({"op": "ping"}, b"", timeout)).status == 200
        except (ConnectionError, TimeoutError):
            return False

    async def get(self, path: str, timeout: float) -> Answer:
        """See Replica."""
        return Answer(404, {}, b"")

    def close(self) -> None:
        """See Replica."""
        if self._client is not None:
            self._client.close()

    async def _ask(self, header: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        client = self._client
        if client is None or client.closed:
            client = await self._connect()
        try:
            answer, payload = await client.call(header, body, timeout)
        except ConnectionError as problem:
            raise Broken(f"the connection to the container ended: {problem}") from problem
        return Answer(int(answer.get("status", 500)), _lower_case(answer), payload)

    async def _connect(self) -> FrameClient:
        async with self._connecting:
            if self._client is None or self._client.closed:
                try:
                    with _socket_itself(self.address.socket) as path:
                        self._client = await FrameClient.connect(path)
                except OSError as problem:
                    raise Unsent(f"the container's socket cannot be reached: {problem.strerror}") from problem
            return self._client


@contextmanager
def _socket_itself(path: str) -> Iterator[Path]:
    """A short path to the socket that lies at ``path``, and to nothing else.

    The container can write to the socket's folder: a link in its place would lead to any socket of this machine.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "it is no socket")
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _lower_case(header: Mapping[str, object]) -> dict[str, str]:
    return {_ANSWER_NAMES[name]: str(value) for name, value in header.items() if name in _ANSWER_NAMES}


_ANSWER_NAMES = {name: header.lower() for name, header in HEADER_NAMES.items()}
