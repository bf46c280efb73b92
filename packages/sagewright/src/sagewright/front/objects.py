"""Which S3 the front proxies to right now: the user's own, or the embedded one as its process last announced it."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from sagewright.front.body import Body
from sagewright.front.published import Published, copy_answer
from sagewright.front.s3proxy import S3Call, S3Proxy
from sagewright.front.s3target import S3Target
from sagewright.front.streamed import Answer
from sagewright.jumpstart.bucket import Content
from sagewright.objects.moat import cross_async
from sagewright.objects.origin import Dial, Origin, dial_tcp
from sagewright.objects.upstream import Upstream
from sagewright.objects.volumes import Volumes
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request

_OF_A_COPY = ("x-amz-copy-source", "x-amz-metadata-directive", "x-amz-tagging-directive")


class ObjectStore:
    """The S3 behind the front. With a ``record`` (a file written by the embedded server) it follows restarts of that server."""

    def __init__(self, published: Published, record: Path | None = None, upstream: Upstream | None = None) -> None:
        self._published = published
        self._record = record
        self._seen: tuple[int, int] | None = None
        self._proxy = _proxy(upstream) if upstream is not None else None

    async def handle(self, call: S3Call) -> Answer:
        """Answers one proven S3 request. Raises Fault."""
        published = await self._published.answer(S3Target.of(call.request), call.request, call.caller.region)
        if published is not None:
            return published
        content = await self._published.copied(call.request.headers)
        if content is not None:
            return await self._copy(call, content)
        return await self._present().handle(call)

    async def _copy(self, call: S3Call, content: Content) -> Answer:
        """CopyObject out of a published bucket is PutObject."""
        request = call.request
        kept = {name: value for name, value in request.headers.items() if not name.startswith(_OF_A_COPY)}
        kept = {"content-type": content.content_type, **kept, "content-length": str(len(content.body))}
        put = Request("PUT", request.path, request.query, kept)
        written = await self._present().handle(S3Call(call.caller, put, Body.of(content.body), call.request_id))
        etag = next((value for name, value in written.headers if name.lower() == "etag"), "")
        return copy_answer(etag) if written.status < 300 else written

    async def ready(self) -> bool:
        """Whether the S3 answers."""
        try:
            async with asyncio.timeout(1.0):
                return await self._present().answers()
        except (Fault, ConnectionError, TimeoutError):
            return False

    async def close(self) -> None:
        """Closes idle connections, ends what is being made."""
        await self._published.close()
        if self._proxy is not None:
            await self._proxy.close()

    def _present(self) -> S3Proxy:
        if self._record is not None:
            self._follow(self._record)
        if self._proxy is None:
            raise Fault("ServiceUnavailable", "The object store is starting or stopping; please try again.", 503)
        return self._proxy

    def _follow(self, record: Path) -> None:
        try:
            stat = os.stat(record)  # noqa: PTH116 - once per request
        except FileNotFoundError:
            self._proxy = self._seen = None
            return
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            self._proxy = _proxy(Upstream.read(record))
            self._seen = seen


def _proxy(upstream: Upstream) -> S3Proxy:
    origin = Origin(_dial(upstream, upstream.port), tls_name=upstream.host if upstream.tls else "")
    inner = [Origin(_dial(upstream, port)) for port in (upstream.filer, upstream.volume) if upstream.embedded and port]
    return S3Proxy(upstream, origin, Volumes(*inner) if len(inner) == 2 else None)


def _dial(upstream: Upstream, port: int) -> Dial:
    if not upstream.dial:
        return dial_tcp(upstream.host, port)

    async def dial() -> socket.socket:
        return await cross_async(upstream.dial, port)

    return dial
