"""Signature Version 4 as arithmetic: canonical request, string to sign, signing key.

The rules are AWS's "Create a signed AWS API request". S3 differs in one: its path is encoded once and never normalised.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_UNRESERVED = "-_.~"
_BLANKS = re.compile(r"[ \t]+")
_INNER_PAD, _OUTER_PAD = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class Scope(NamedTuple):
    """The credential scope; ``date`` is YYYYMMDD."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def signing_key(secret: str, scope: Scope) -> bytes:
    """The key that signs requests of one scope; four HMACs, worth caching."""
    key = ("AWS4" + secret).encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


class Signer:
    """Signs requests of one scope. Keeps its key and the two halves of HMAC that depend on nothing else: copying them costs a third of
    ``hmac.digest``, which sets up OpenSSL's HMAC anew for each request.
    """

    __slots__ = ("_inner", "_outer", "key", "scope")

    def __init__(self, secret: str, scope: Scope) -> None:
        self.key = signing_key(secret, scope)
        self.scope = str(scope)
        block = self.key.ljust(64, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER_PAD))
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))

    def sign(self, timestamp: str, request: str) -> str:
        """The signature of a canonical request; ``timestamp`` is YYYYMMDDTHHMMSSZ."""
        text = f"{ALGORITHM}\n{timestamp}\n{self.scope}\n{hashlib.sha256(_bytes(request)).hexdigest()}"
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: Iterable[str], payload_hash: str
) -> str:
    """``path`` and ``query`` already canonical; ``headers`` by lower-case name, with every one of ``signed`` in it."""
    names = tuple(signed)
    lines = "".join([f"{name}:{_folded(headers[name])}\n" for name in names])
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{payload_hash}"


@lru_cache(maxsize=256)
def service_path(path: str) -> str:
    """The canonical path of every service but S3: dot segments and doubled slashes gone, then encoded once more."""
    if path in ("", "/"):
        return "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    normal = "/" + "/".join(kept) + ("/" if path.endswith("/") and kept else "")
    return quote(normal, safe="/" + _UNRESERVED)


def s3_path(path: str) -> str:
    """S3's canonical path: what the client meant, encoded once."""
    return quote(unquote_to_bytes(path), safe="/" + _UNRESERVED) or "/"


def canonical_query(query: str, without: str = "") -> str:
    """Fields encoded and sorted; ``without`` names one to leave out (X-Amz-Signature)."""
    if not query:
        return ""
    fields = []
    for field in query.split("&"):
        name, _, value = field.partition("=")
        if field and name != without:
            fields.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(fields))


def encoded(text: str) -> str:
    """Text percent-encoded as a query field's name or value."""
    return quote(text, safe=_UNRESERVED)


def _encoded(part: str) -> str:
    return quote(unquote_to_bytes(part), safe=_UNRESERVED)


def _folded(value: str) -> str:
    value = value.strip(" \t")
    return _BLANKS.sub(" ", value) if "  " in value or "\t" in value else value


def _bytes(text: str) -> bytes:
    """Header values are the wire's bytes read as Latin-1; who gives us real text gets what it would send, UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
