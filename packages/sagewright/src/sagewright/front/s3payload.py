"""The body of an S3 upload, checked while it passes.

A client says in ``x-amz-content-sha256`` what it signed of the body: a hash of all of it, nothing, or a chain of chunks
("aws-chunked"). What does not match must not become an object: the last part is held back until everything before it has
been checked, so that on a mismatch the server behind never sees a complete body.
Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from sagewright.front.s3chunks import ChunkSignatures
from sagewright.wire.errors import Fault

_LINE_LIMIT = 16 * 1024

UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


async def check_hash(body: AsyncIterator[bytes], expected: str) -> AsyncIterator[bytes]:
    """Passes a body on; raises Fault instead of handing out the last part when its SHA-256 is not ``expected`` (hex)."""
    digest = hashlib.sha256()
    held = b""
    async for part in body:
        digest.update(part)
        if held:
            yield held
        held = part
    if digest.hexdigest() != expected.lower():
        raise hash_mismatch()
    yield held


def hash_mismatch() -> Fault:
    """S3's answer to a body that is not the one that was signed."""
    return Fault("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")


async def decode_signed_chunks(
    body: AsyncIterator[bytes], signatures: ChunkSignatures | None, length: int
) -> AsyncIterator[bytes]:
    """The data of an aws-chunked body of ``length`` decoded bytes. Every chunk's signature is checked, unless access is open and
    there are no ``signatures``."""
    held = b""
    async for part, _ in _chunks(_Reader(body), signatures, length, trailer=False):
        if held and part:
            yield held
        held = part or held
    yield held


async def reframe_signed_chunks(
    body: AsyncIterator[bytes], signatures: ChunkSignatures | None, length: int
) -> AsyncIterator[bytes]:
    """The same body with its trailing headers (checksums) but without signatures, for STREAMING-UNSIGNED-PAYLOAD-TRAILER."""
    async for part, trailer in _chunks(_Reader(body), signatures, length, trailer=True):
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
        if trailer is not None:
            yield b"0\r\n" + b"".join(line + b"\r\n" for line in trailer) + b"\r\n"


async def _chunks(
    reader: _Reader, signatures: ChunkSignatures | None, length: int, *, trailer: bool
) -> AsyncIterator[tuple[bytes, list[bytes] | None]]:
    """Parts of data, in the end (b"", trailing header lines). Raises Fault on a wrong signature, form or length."""
    rest = length
    while True:
        size, signature = _chunk_head(await reader.line())
        if size > rest:
            raise _incomplete()
        rest -= size
        digest = hashlib.sha256()
        async for part in reader.exactly(size):
            digest.update(part)
            yield part, None
        if signatures is not None and not signatures.chunk(digest.hexdigest(), signature):
            raise _wrong_signature()
        if size == 0:
            break
        if await reader.line():
            raise _malformed()
    if rest:
        raise _incomplete()
    yield b"", await _trailer(reader, signatures) if trailer else []


async def _trailer(reader: _Reader, signatures: ChunkSignatures | None) -> list[bytes]:
    lines: list[bytes] = []
    signature = ""
    while line := await reader.line():
        name, _, value = line.partition(b":")
        if name.lower() == b"x-amz-trailer-signature":
            signature = value.strip().decode("latin-1")
            break
        lines.append(name.lower().strip() + b":" + value.strip())
        if len(lines) > 16:
            raise _malformed()
    digest = hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
    if signatures is not None and not signatures.trailer(digest, signature):
        raise _wrong_signature()
    return lines


class _Reader:
    """Lines and counted bytes out of a stream of parts."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._rest = b""

    async def line(self) -> bytes:
        """Up to CR LF, without it."""
        while (end := self._rest.find(b"\r\n")) < 0:
            if len(self._rest) > _LINE_LIMIT:
                raise _malformed()
            self._rest += await self._more()
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    async def exactly(self, size: int) -> AsyncIterator[bytes]:
        """``size`` bytes, in parts as they come."""
        while size:
            part = self._rest or await self._more()
            part, self._rest = part[:size], part[size:]
            size -= len(part)
            yield part

    async def _more(self) -> bytes:
        part = await anext(self._body, b"")
        if not part:
            raise _incomplete()
        return part


def _chunk_head(line: bytes) -> tuple[int, str]:
    size, _, extension = line.partition(b";")
    name, _, signature = extension.partition(b"=")
    if name.strip() != b"chunk-signature" or not 1 <= len(size) <= 16:
        raise _malformed()
    try:
        return int(size, 16), signature.strip().decode("ascii")
    except (ValueError, UnicodeDecodeError) as wrong:
        raise _malformed() from wrong


def _incomplete() -> Fault:
    return Fault("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")


def _malformed() -> Fault:
    return Fault("InvalidRequest", "The request's aws-chunked body is malformed.")


def _wrong_signature() -> Fault:
    return Fault(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        403,
    )
