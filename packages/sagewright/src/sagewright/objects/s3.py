"""What Sagewright itself does with S3: list, read and write objects of a user's buckets, whichever S3 is set.

Listings and small objects go over our own HTTP client, because S3 keys are plain text: obstore takes a prefix for a folder,
loses the slash of folder markers and refuses empty segments. Whole files go over obstore, which moves them off the event loop.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit
from xml.etree import ElementTree

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from sagewright.base import files
from sagewright.objects.body import ObjectBody
from sagewright.objects.origin import Headers, Origin, OriginAnswer, dial_tcp
from sagewright.objects.signing import Keys, Signer, encode_path

_DOCUMENT_LIMIT = 16 * 1024 * 1024
_OBJECT_LIMIT = 1024 * 1024 * 1024
PAGE = 1000
"""Keys in an answer to a listing, at most."""
_CHUNK = 8 * 1024 * 1024
_SMALL = 64 * 1024
"""Bytes of an object that is read and written on the event loop: handing it to threads costs more than both."""
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_ODD_KEY = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")

_VIRTUAL = re.compile(r"(?P<bucket>.+)\.s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")
_SERVICE = re.compile(r"s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and a key or key prefix, without the slash between them (but ``s3://bucket//x`` does have the key ``/x``)."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> Location:
        """From ``s3://bucket/key``, ``https://bucket.s3-region.amazonaws.com/key`` or path style; raises ValueError.

        In an https address the key is percent-encoded, in an s3 one it is plain. Any other host is taken for path style.
        """
        scheme, mark, rest = uri.partition("://")
        if not mark or scheme not in ("s3", "https", "http"):
            raise ValueError(f"not an S3 location: {uri!r}")
        host, _, path = rest.partition("/")
        if scheme == "s3":
            return cls._checked(host, path, uri)
        path = unquote(path.partition("?")[0])
        virtual = _VIRTUAL.fullmatch(host)
        if virtual is not None and not _SERVICE.fullmatch(host):
            return cls._checked(virtual["bucket"], path, uri)
        bucket, _, key = path.partition("/")
        return cls._checked(bucket, key, uri)

    @classmethod
    def _checked(cls, bucket: str, key: str, uri: str) -> Location:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", bucket):
            raise ValueError(f"no bucket in {uri!r}")
        return cls(bucket, key)


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of a listing; size in bytes, modified in epoch seconds. Only ``head`` knows the content type."""

    location: Location
    size: int
    modified: float
    etag: str = ""
    content_type: str = ""


class Objects:
    """A client of one S3.

    Missing bucket or key: FileNotFoundError. Refused: PermissionError. Not reachable or failing: ConnectionError.
    """

    def __init__(self, url: str, keys: Keys, region: str = "us-east-1") -> None:
        """``url`` is that of the front (or of any S3), for example ``http://127.0.0.1:8080``."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"not an http address: {url!r}")
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        authority = parts.hostname if port == (443 if secure else 80) else f"{parts.hostname}:{port}"
        self._url = f"{parts.scheme}://{authority}"
        self._region = region
        self._keys = keys
        self._signer = Signer(authority, region, keys)
        self._origin = Origin(dial_tcp(parts.hostname, port), tls_name=parts.hostname if secure else "")
        self._stores: dict[str, S3Store] = {}

    async def list(self, prefix: Location, most: int = PAGE) -> AsyncIterator[Stored]:
        """Every object whose key starts with the prefix, in key order; ``most`` of them are asked for at once."""
        async for page in self._pages(prefix, [("max-keys", str(most))]):
            for entry in page.iterfind(f"{_NAMESPACE}Contents"):
                yield _stored(prefix.bucket, entry)

    async def children(self, prefix: Location) -> AsyncIterator[Stored | str]:
        """The objects whose keys have no slash after the prefix, and as text what the other keys have up to that slash.

        Page by page; within a page folders come last.
        """
        async for page in self._pages(prefix, [("delimiter", "/")]):
            for entry in page.iterfind(f"{_NAMESPACE}Contents"):
                yield _stored(prefix.bucket, entry)
            for name in page.iterfind(f"{_NAMESPACE}CommonPrefixes/{_NAMESPACE}Prefix"):
                yield unquote_plus(name.text or "")

    async def _pages(self, prefix: Location, more: Headers) -> AsyncIterator[ElementTree.Element]:
        token = ""
        while True:
            query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix.key), *more]
            if token:
                query.append(("continuation-token", token))
            answer = await self._ask("GET", Location(prefix.bucket, ""), query=query)
            page = ElementTree.fromstring(await answer.read(_DOCUMENT_LIMIT))
            yield page
            token = page.findtext(f"{_NAMESPACE}NextContinuationToken", "")
            if page.findtext(f"{_NAMESPACE}IsTruncated") != "true" or not token:
                return

    async def head(self, location: Location) -> Stored:
        """One object's size and date."""
        answer = await self._ask("HEAD", location)
        await answer.parts.aclose()
        modified = parsedate_to_datetime(answer.header("last-modified")).timestamp()
        size, etag = int(answer.header("content-length")), answer.header("etag").strip('"')
        return Stored(location, size, modified, etag, answer.header("content-type"))

    async def read(self, location: Location) -> bytes:
        """A whole object; for small ones."""
        return await (await self._ask("GET", location)).read(_OBJECT_LIMIT)

    async def read_into(self, stored: Stored, start: int, memory: memoryview) -> None:
        """Fills the memory from byte ``start`` of an object on. OSError (ESTALE) when it is not any more what the listing said."""
        body = await self.open(stored, start, start + len(memory))
        try:
            await body.fill(memory)
        finally:
            await body.close()

    async def open(self, stored: Stored, start: int = 0, stop: int | None = None) -> ObjectBody:
        """The bytes from ``start`` to ``stop`` (the end), of which there are some. OSError (ESTALE) when the object is not any more
        what the listing said.

        One request for all of it costs the embedded store no more than ranges as large as its pieces (8 MB), smaller ones twice as much.
        """
        stop = stored.size if stop is None else stop
        headers: Headers = [("range", f"bytes={start}-{stop - 1}")]
        if stored.etag:
            headers.append(("if-match", f'"{stored.etag}"'))
        answer = await self._ask("GET", stored.location, headers=headers)
        if answer.status != 206 or answer.header("content-length") != str(stop - start):
            await answer.parts.aclose()
            raise _changed(stored.location)
        return ObjectBody(answer)

    async def write(self, location: Location, body: bytes) -> None:
        """A whole object; for small ones."""
        await (await self._ask("PUT", location, body)).read(_DOCUMENT_LIMIT)

    async def download(self, location: Location, file: Path, size: int = _CHUNK) -> None:
        """Streams an object into a file, by rename, so that the file is whole or not there. ``size``: that of the listing."""
        if size <= _SMALL:
            files.write(file, await self.read(location))
            return
        partial = file.with_name(f".{file.name}.partial")
        partial.unlink(missing_ok=True)
        try:
            with partial.open("xb") as sink:
                async for part in self._parts(location):
                    await asyncio.to_thread(sink.write, part)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    async def upload(self, file: Path, location: Location, content_type: str = "") -> None:
        """Streams a file into an object (multipart when large)."""
        if _ODD_KEY.search(location.key):
            await self.write(location, await asyncio.to_thread(file.read_bytes))
            return
        try:
            await obstore.put_async(
                self._store(location.bucket),
                location.key,
                file,
                attributes={"Content-Type": content_type} if content_type else None,
                chunk_size=_CHUNK,
                max_concurrency=4,
            )
        except BaseError as refused:
            raise _translated(refused, location) from refused

    async def delete(self, location: Location) -> None:
        """Removes an object; nothing happens when it is not there."""
        await (await self._ask("DELETE", location)).read(_DOCUMENT_LIMIT)

    async def buckets(self) -> tuple[str, ...]:
        """The names of all buckets."""
        answer = await self._ask("GET", Location("", ""))
        page = ElementTree.fromstring(await answer.read(_DOCUMENT_LIMIT))
        return tuple(name.text or "" for name in page.iterfind(f"{_NAMESPACE}Buckets/{_NAMESPACE}Bucket/{_NAMESPACE}Name"))

    async def close(self) -> None:
        """Closes idle connections."""
        await self._origin.close()

    async def _parts(self, location: Location) -> AsyncIterator[bytes | memoryview]:
        if _ODD_KEY.search(location.key):
            yield await self.read(location)
            return
        try:
            answer = await obstore.get_async(self._store(location.bucket), location.key)
            async for part in answer.stream(min_chunk_size=_CHUNK):
                yield memoryview(part)
        except BaseError as refused:
            raise _translated(refused, location) from refused

    async def _ask(
        self, method: str, location: Location, body: bytes = b"", query: Headers | None = None, headers: Headers | None = None
    ) -> OriginAnswer:
        """A signed request; what is not a success is raised."""
        path = encode_path(f"/{location.bucket}/{location.key}".encode()) if location.key else f"/{location.bucket}"
        headers = [*(headers or ()), *([("content-length", str(len(body)))] if method == "PUT" else [])]
        digest = hashlib.sha256(body).hexdigest()
        target, signed = self._signer.sign(method, path, query or [], headers, digest)
        try:
            answer = await self._origin.exchange(method, target, signed, body)
        except TimeoutError as silent:
            raise ConnectionError(f"{self._url} did not answer in time") from silent
        if answer.status < 300:
            return answer
        await answer.parts.aclose()
        raise _failure(answer.status, method, location)

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            token: dict[str, Any] = {"session_token": self._keys.token} if self._keys.token else {}
            self._stores[bucket] = S3Store(
                bucket,
                endpoint=self._url,
                region=self._region,
                access_key_id=self._keys.access_key,
                secret_access_key=self._keys.secret_key,
                virtual_hosted_style_request=False,
                client_options={"allow_http": True, "connect_timeout": timedelta(seconds=5), "timeout": timedelta(days=1)},
                retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
                **token,
            )
        return self._stores[bucket]


def _stored(bucket: str, entry: ElementTree.Element) -> Stored:
    key = unquote_plus(entry.findtext(f"{_NAMESPACE}Key", ""))
    modified = datetime.fromisoformat(entry.findtext(f"{_NAMESPACE}LastModified", ""))
    size = int(entry.findtext(f"{_NAMESPACE}Size", "0"))
    return Stored(Location(bucket, key), size, modified.timestamp(), entry.findtext(f"{_NAMESPACE}ETag", "").strip('"'))


def _failure(status: int, method: str, location: Location) -> OSError:
    if status == 404:
        return FileNotFoundError(f"{location} does not exist")
    if status in (401, 403):
        return PermissionError(f"access to {location} was denied")
    if status in (412, 416):
        return _changed(location)
    return ConnectionError(f"{method} {location} was answered {status}")


def _changed(location: Location) -> OSError:
    return OSError(errno.ESTALE, f"{location} has changed since it was listed")


def _translated(refused: BaseError, location: Location) -> OSError:
    if isinstance(refused, PermissionDeniedError | UnauthenticatedError):
        return PermissionError(f"access to {location} was denied")
    return ConnectionError(f"transfer of {location} failed: {refused}")
