"""The chain of signatures over an aws-chunked body: each chunk's signature covers the one before, the first the request's."""

from __future__ import annotations

import hashlib
import hmac

from sagewright.wire.sigv4 import Seed

_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_HASH = hashlib.sha256(b"").hexdigest()


class ChunkSignatures:
    """Checks the signatures of one body, in order. Source: S3 API Reference, "Transferring Payload in Multiple Chunks"."""

    def __init__(self, seed: Seed) -> None:
        self._key = seed.key
        self._context = f"{seed.timestamp}\n{seed.scope}"
        self._previous = seed.signature

    def chunk(self, sha256: str, claimed: str) -> bool:
        """Whether ``claimed`` signs the next chunk, whose data has the hex hash ``sha256``."""
        return self._next(f"{_ALGORITHM}-PAYLOAD\n{self._context}\n{self._previous}\n{_EMPTY_HASH}\n{sha256}", claimed)

    def trailer(self, sha256: str, claimed: str) -> bool:
        """Whether ``claimed`` signs the trailing headers (``name:value\\n`` each), which have the hex hash ``sha256``."""
        return self._next(f"{_ALGORITHM}-TRAILER\n{self._context}\n{self._previous}\n{sha256}", claimed)

    def _next(self, text: str, claimed: str) -> bool:
        self._previous = hmac.digest(self._key, text.encode(), hashlib.sha256).hex()
        return hmac.compare_digest(self._previous.encode(), claimed.encode())
