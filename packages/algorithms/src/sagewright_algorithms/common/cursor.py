"""A position in the bytes of a binary file: what every reader of one moves along."""

from __future__ import annotations

import struct


class Cursor:
    """Little-endian. Raises ValueError and struct.error where the bytes end too early."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def numbers(self, layout: str) -> tuple[int, ...]:
        """As ``struct`` reads them."""
        found = struct.unpack_from("<" + layout, self._content, self._at)
        self._at += struct.calcsize("<" + layout)
        return found

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if not 0 <= size <= len(self._content) - self._at:
            raise ValueError("it is cut off")
        self._at += size
        return self._content[self._at - size : self._at]
