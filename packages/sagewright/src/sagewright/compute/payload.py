"""A request body that lies in a file: sent piece by piece, so that its size costs no memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

PIECE = 1024 * 1024


class PayloadTooLarge(ValueError):
    """The container's protocol cannot carry so much; ``most`` is what it can."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(f"a payload of {size} bytes, and {most} can be sent")
        self.most = most


class FilePayload(NamedTuple):
    """The file must stay as it is until it is sent."""

    file: Path
    size: int

    @classmethod
    def of(cls, file: Path) -> FilePayload:
        """Raises OSError."""
        return cls(file, file.stat().st_size)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes in order; exactly ``size`` of them. Raises OSError when the file has become shorter."""
        left = self.size
        with await asyncio.to_thread(self.file.open, "rb") as source:
            while left:
                piece = await asyncio.to_thread(source.read, min(PIECE, left))
                if not piece:
                    raise OSError(f"{self.file} has become shorter")
                left -= len(piece)
                yield piece
