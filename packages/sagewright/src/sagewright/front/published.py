"""Buckets of AWS's own that every account may read and nobody may change: JumpStart's. Answered here, in S3's words.

Objects are made from the manifests of the algorithms when they are read; no S3 holds them (jumpstart/bucket.py).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from email.utils import formatdate
from time import gmtime, strftime
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from sagewright.front.s3mend import location_document
from sagewright.front.s3target import S3Target
from sagewright.jumpstart import bucket as jumpstart
from sagewright.jumpstart.bucket import Bucket, Content
from sagewright.jumpstart.pretrained import Pretrained, TrainingFailedError
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

_XML = [("Content-Type", "application/xml")]
_ARCHIVE = "binary/octet-stream"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MOST_KEYS = 1000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LISTING = frozenset(
    [
        "list-type",
        "prefix",
        "delimiter",
        "max-keys",
        "start-after",
        "continuation-token",
        "marker",
        "encoding-type",
        "fetch-owner",
        "x-id",
    ]
)


class Published:
    """All such buckets."""

    def __init__(self, pretrained: Pretrained) -> None:
        self._pretrained = pretrained

    async def answer(self, target: S3Target, request: Request, region: str) -> Response | None:
        """GetObject, HeadObject, ListObjects (both), HeadBucket and GetBucketLocation; None when the bucket is not one of these.

        Raises Fault for anything else.
        """
        place = jumpstart.region_of(target.bucket)
        if not place:
            return None
        if request.method not in ("GET", "HEAD") or "x-amz-expected-bucket-owner" in request.headers:
            raise Fault("AccessDenied", "Access Denied", 403)
        if target.key:
            return _object(await self._existing(place, target.key.decode("utf-8", "replace")), request)
        if request.method == "HEAD":
            return Response(200, [("x-amz-bucket-region", region)])
        if target.has("location"):
            return Response(200, list(_XML), location_document(region))
        if any(name not in _LISTING for name, _ in target.query):
            raise Fault("AccessDenied", "Access Denied", 403)
        listing = await asyncio.to_thread(_listing, place, target.bucket, dict(target.query))
        return Response(200, list(_XML), listing)

    async def copied(self, headers: Mapping[str, str]) -> Content | None:
        """What CopyObject wants to copy out of such a bucket; None when it copies something else. Raises Fault."""
        path = unquote(headers.get("x-amz-copy-source", "").partition("?")[0]).removeprefix("/")
        name, _, key = path.partition("/")
        place = jumpstart.region_of(name)
        return await self._existing(place, key) if place else None

    async def close(self) -> None:
        """Ends what is being made."""
        await self._pretrained.close()

    async def _existing(self, place: str, key: str) -> Content:
        """In a thread, because the first look at a region's bucket makes its table of contents (0.1 s)."""
        bucket = await asyncio.to_thread(jumpstart.of, place)
        offer = bucket.trained(key)
        try:
            content = Content(await self._pretrained.archive(offer), _ARCHIVE) if offer is not None else bucket.get(key)
        except TrainingFailedError as failure:
            raise Fault("InternalError", f"The model cannot be made: {failure}", 500) from failure
        if content is None:
            raise Fault("NoSuchKey", "The specified key does not exist.", 404)
        return content


def copy_answer(etag: str) -> Response:
    """CopyObject's, for what was written in its place."""
    date = strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime())
    members = f"<LastModified>{date}</LastModified><ETag>{escape(etag)}</ETag>"
    return Response(200, list(_XML), _document("CopyObjectResult", members))


def _object(content: Content, request: Request) -> Response:
    headers = [
        ("Content-Type", content.content_type),
        ("ETag", f'"{content.etag}"'),
        ("Last-Modified", formatdate(jumpstart.MODIFIED, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    ]
    if request.headers.get("if-none-match", "").strip('"') == content.etag:
        return Response(304, headers)
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or not any(found.groups()):
        return Response(200, headers, content.body)
    start, end = _span(found[1], found[2], len(content.body))
    place = [("Content-Range", f"bytes {start}-{end - 1}/{len(content.body)}")]
    return Response(206, headers + place, content.body[start:end])


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """From where up to (not with) where. Raises Fault."""
    if not first:
        return max(0, size - int(last)), size
    start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise Fault("InvalidRange", "The requested range is not satisfiable", 416)
    return start, end


def _listing(place: str, name: str, query: Mapping[str, str]) -> bytes:
    """ListObjectsV2, or ListObjects without ``list-type=2``. Keys are plain ASCII, so ``encoding-type`` changes nothing."""
    bucket = jumpstart.of(place)
    newer = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = query.get("continuation-token", query.get("start-after", "")) if newer else query.get("marker", "")
    limit = min(int(query["max-keys"]), _MOST_KEYS) if query.get("max-keys", "").isdecimal() else _MOST_KEYS
    contents, folders, last, more = _page(bucket, prefix, delimiter, after, limit)
    members = [("Name", name), ("Prefix", prefix), ("MaxKeys", str(limit)), ("IsTruncated", str(more).lower())]
    if delimiter:
        members.append(("Delimiter", delimiter))
    if newer:
        members += [("KeyCount", str(len(contents) + len(folders)))]
    if more:
        members.append(("NextContinuationToken" if newer else "NextMarker", last))
    parts = [f"<{member}>{escape(value)}</{member}>" for member, value in members]
    parts += [_entry(bucket, key) for key in contents]
    parts += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders]
    return _document("ListBucketResult", "".join(parts))


def _page(bucket: Bucket, prefix: str, delimiter: str, after: str, limit: int) -> tuple[list[str], list[str], str, bool]:
    """(keys, common prefixes, the last of both, whether more follow); a common prefix that ``after`` names is done with."""
    contents: list[str] = []
    folders: list[str] = []
    last = after
    for key in bucket.keys(prefix, after):
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        shown = prefix + head + delimiter if found else key
        if shown in (last, after) and found:
            continue
        if len(contents) + len(folders) == limit:
            return contents, folders, last, True
        (folders if found else contents).append(shown)
        last = shown
    return contents, folders, last, False


def _entry(bucket: Bucket, key: str) -> str:
    content = bucket.get(key)
    assert content is not None
    date = strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime(jumpstart.MODIFIED))
    members = {"Key": quote(key), "LastModified": date, "ETag": f'"{content.etag}"', "Size": str(len(content.body))}
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())
    return f"<Contents>{inner}<StorageClass>STANDARD</StorageClass></Contents>"


def _document(root: str, members: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{members}</{root}>'.encode()
