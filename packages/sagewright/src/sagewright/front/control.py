"""The front's link to control: one connection with frames, made again whenever it breaks.

While control restarts, questions wait a moment instead of failing: a restart must not be seen by a client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from sagewright.front.caller import Caller
from sagewright.wire.errors import Fault
from sagewright.wire.frames import FrameClient, Header
from sagewright.wire.http import Request, Response

log = logging.getLogger(__name__)

_READS = ("Describe", "List", "Get", "Search", "BatchDescribe", "Filter", "Query")
_KEPT_TO_OURSELVES = frozenset(("authorization", "x-amz-security-token", "cookie", "connection", "expect"))


class Control:
    """``start`` it once; ``ask`` and ``tell`` at any time."""

    def __init__(self, socket: Path, hold: float = 10.0, patience: float = 120.0, limit: int = 4096) -> None:
        """``hold``: seconds a question waits while control is away; ``patience``: seconds for the answer; ``limit``: questions
        under way at a time."""
        self._socket = socket
        self._hold = hold
        self._patience = patience
        self._limit = limit
        self._busy = 0
        self._client: FrameClient | None = None
        self._linked = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether control is there."""
        return self._linked.is_set()

    async def start(self) -> None:
        """Keeps the connection from now on; returns at once."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """Closes the connection."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._client is not None:
            self._client.close()

    async def handle(self, caller: Caller, request: Request) -> Response:
        """Hands an API call to control. Raises Fault when control is away for longer than ``hold``."""
        header: Header = {
            "op": "api",
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {name: value for name, value in request.headers.items() if name not in _KEPT_TO_OURSELVES},
            "caller": caller.document(),
        }
        answer, body = await self._ask(header, request.body, again=_only_reads(request))
        return _response(answer, body)

    async def forward(self, operation: str, request: Request) -> Response:
        """Hands over a question of ours that no AWS caller stands behind (test hooks)."""
        answer, body = await self._ask(
            {"op": operation, "method": request.method, "path": request.path}, request.body, again=False
        )
        return _response(answer, body)

    async def model(self, asked: Mapping[str, str]) -> Header:
        """Has a model brought to a replica; the header of control's answer. Raises Fault when control is away."""
        answer, _ = await self._ask({"op": "model", **asked}, b"", again=True)
        return answer

    async def tell(self, header: Mapping[str, str], body: bytes) -> None:
        """A one-way message. Raises ConnectionError when control is away."""
        if self._client is None:
            raise ConnectionError("control is away")
        self._client.send(dict(header), body)

    async def wake(self, header: Header) -> int:
        """Asks for a container of a serverless variant; the answer's status comes when there is one. Raises Fault."""
        answer, _ = await self._ask(header, b"", again=True)
        return int(answer["status"])

    async def _ask(self, header: Header, body: bytes, *, again: bool) -> tuple[Header, bytes]:
        if self._busy >= self._limit:
            raise Fault("ThrottlingException", "Rate exceeded", 400)
        self._busy += 1
        try:
            return await self._put(header, body, again=again)
        except ValueError as too_large:
            raise Fault("RequestHeaderSectionTooLarge", "The request's headers are too long.", 431) from too_large
        except TimeoutError as silent:
            raise Fault("ServiceUnavailable", "The request was not answered in time.", 503) from silent
        finally:
            self._busy -= 1

    async def _put(self, header: Header, body: bytes, *, again: bool) -> tuple[Header, bytes]:
        client = await self._present()
        try:
            return await client.call(header, body, self._patience)
        except ConnectionError as broken:
            if not again:
                raise _away() from broken
        try:
            return await (await self._present()).call(header, body, self._patience)
        except ConnectionError as broken:
            raise _away() from broken

    async def _present(self) -> FrameClient:
        if self._client is None or self._client.closed:
            self._linked.clear()
            try:
                async with asyncio.timeout(self._hold):
                    await self._linked.wait()
            except TimeoutError as away:
                raise _away() from away
        assert self._client is not None
        return self._client

    async def _keep(self) -> None:
        pause = 0.02
        while True:
            try:
                self._client = await FrameClient.connect(self._socket)
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.25)
                continue
            pause = 0.02
            self._linked.set()
            await self._client.wait_closed()
            self._client = None
            self._linked.clear()
            log.info("control went away; connecting again")


def _away() -> Fault:
    return Fault("ServiceUnavailable", "The service is starting or stopping; please try again.", 503)


def _only_reads(request: Request) -> bool:
    """Whether asking twice does no harm, although the first may have been carried out."""
    operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
    return operation.startswith(_READS) if operation else request.method in ("GET", "HEAD")


def _response(answer: Header, body: bytes) -> Response:
    return Response(int(answer["status"]), [(str(name), str(value)) for name, value in answer.get("headers", ())], body)
