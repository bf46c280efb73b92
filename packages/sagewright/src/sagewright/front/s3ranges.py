"""Long ranges of objects, which need not pass the gateway of the embedded server (objects/volumes.py): which, and their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sagewright.front.s3target import S3Target
from sagewright.objects.origin import Headers, OriginAnswer
from sagewright.objects.volumes import Version
from sagewright.wire.http import Request

SHORTEST = 1 << 20
"""Bytes for which the further requests pay."""

_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_NOT_PLAIN = ("x-amz-server-side-encryption", "x-amz-version-id", "content-encoding")
"""Beginnings of header names, of a request or an answer, by which the bytes may be others than those in the volumes."""


@dataclass(frozen=True, slots=True)
class LongRange:
    """The bytes ``start`` to ``stop``, as far as the object has them."""

    start: int
    stop: int

    @classmethod
    def asked(cls, request: Request, target: S3Target) -> LongRange | None:
        """What a request asks for, None when it is no plain GetObject of a long range."""
        found = _RANGE.fullmatch(request.headers.get("range", ""))
        plain = request.method == "GET" and target.key and not target.query and not target.hoisted
        if found is None or not plain or not _BUCKET.fullmatch(target.bucket) or ".." in target.bucket:
            return None
        if any(name.startswith(_NOT_PLAIN) or name in ("content-length", "transfer-encoding") for name in request.headers):
            return None
        start, stop = int(found[1]), int(found[2]) + 1
        return cls(start, stop) if stop - start >= SHORTEST else None

    def first_byte(self, request: Request) -> Request:
        """The same request for one byte."""
        return replace(request, headers={**request.headers, "range": f"bytes={self.start}-{self.start}"})

    def version(self, answer: OriginAnswer, target: S3Target) -> Version | None:
        """Which version the gateway gave that byte of, None when it gave none or it may not lie in the volumes as it is."""
        found = _CONTENT_RANGE.fullmatch(answer.header("content-range"))
        if answer.status != 206 or found is None or int(found[1]) != self.start or int(found[2]) != self.start:
            return None
        if any(name.lower().startswith(_NOT_PLAIN) for name, _ in answer.headers) or not answer.header("etag"):
            return None
        return Version(target.stored_path, answer.header("etag"), answer.header("last-modified"), int(found[3]))

    def headers(self, of_first_byte: Headers, stop: int, size: int) -> Headers:
        """Those of the answer for that byte, made those of the range up to ``stop``."""
        told = {"content-length": str(stop - self.start), "content-range": f"bytes {self.start}-{stop - 1}/{size}"}
        return [(name, told.get(name.lower(), value)) for name, value in of_first_byte]
