"""Signs requests to one S3. Its clients are the front, for the S3 behind it, and ``Objects``."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from sagewright.wire.http import Request
from sagewright.wire.sigv4 import sign

UNSIGNED = "UNSIGNED-PAYLOAD"

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials; ``token`` only with temporary ones."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one S3 (``host`` with its port) and region."""

    host: str
    region: str
    keys: Keys

    def sign(self, method: str, path: str, query: Pairs, headers: Pairs, payload: str) -> tuple[str, Pairs]:
        """The request target and the headers with Host, date, payload hash and Authorization added.

        ``path`` is percent-encoded (see encode_path), ``query`` is decoded; ``headers`` have lower-case names, each once.
        ``payload`` is the body's SHA-256 in hex, or a word such as UNSIGNED.
        """
        encoded = "&".join(f"{name}={value}" for name, value in sorted((_encode(n), _encode(v)) for n, v in query))
        given = {"host": self.host, "x-amz-content-sha256": payload, **dict(headers)}
        keys = self.keys
        request = Request(method, path, encoded, given)
        signed = sign(request, keys.access_key, keys.secret_key, self.region, "s3", keys.token or None)
        return f"{path}?{encoded}" if encoded else path, list(signed.items())


def encode_path(decoded: bytes) -> str:
    """A path as S3 canonicalizes it: every byte but unreserved characters and slashes percent-encoded, once."""
    return quote(decoded, safe="/-_.~")


def decode_path(path: str) -> bytes:
    """The bytes a percent-encoded path stands for."""
    return unquote_to_bytes(path)


def _encode(text: str) -> str:
    return quote(text, safe="-_.~", errors="surrogateescape")
