"""A body that is put together from several answers of one server, each asked for when the one before it is at its end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sagewright.objects.direct import Direct
from sagewright.objects.origin import Headers, Origin, OriginAnswer, OriginParts


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes ``start`` to ``stop`` of a file of ``size`` bytes; ``target`` is its request target."""

    target: str
    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        """Bytes."""
        return self.stop - self.start

    @property
    def headers(self) -> Headers:
        """Those of the request for it."""
        asked: Headers = [("Host", "volume")]
        return asked if self.length == self.size else [*asked, ("Range", f"bytes={self.start}-{self.stop - 1}")]

    def is_in(self, answer: OriginAnswer) -> bool:
        """Whether an answer brings exactly this piece."""
        expected = 200 if self.length == self.size else 206
        plain = not answer.header("content-encoding") and answer.header("content-length") == str(self.length)
        return answer.status == expected and plain


class PieceParts:
    """The parts of such a body (front.streamed.Parts). Raises ConnectionError when a piece is not there any more."""

    __slots__ = ("_origin", "_pieces", "_present", "left")

    def __init__(self, origin: Origin, pieces: Sequence[Piece], present: OriginParts | None = None) -> None:
        """``present``: the answer that brings the first of the pieces, when it is there already."""
        self._origin = origin
        self._pieces = deque(pieces)
        self._present = present
        self.left = sum(piece.length for piece in pieces)
        """Bytes that nobody has taken."""

    async def begin(self) -> None:
        """Asks for the first piece: afterwards only a later one can turn out to be gone."""
        if self._present is None:
            self._present = await self._ask()

    async def following(self) -> OriginParts:
        """The next piece, which is then the taker's."""
        await self.begin()
        present, self._present = self._present, None
        assert present is not None
        self.left -= self._pieces.popleft().length
        return present

    def __aiter__(self) -> PieceParts:
        return self

    async def __anext__(self) -> bytes:
        while self._pieces:
            await self.begin()
            assert self._present is not None
            try:
                return await anext(self._present)
            except StopAsyncIteration:
                self._present = None
                self.left -= self._pieces.popleft().length
        raise StopAsyncIteration

    def direct(self) -> PiecesDirect | None:
        """The whole body without us, which is then at its end; to be asked for before any part was read."""
        present, self._present = self._present, None
        pieces, self._pieces = self._pieces, deque()
        return PiecesDirect(PieceParts(self._origin, tuple(pieces), present)) if pieces else None

    async def aclose(self) -> None:
        """Gives the connection back, or cuts it."""
        present, self._present = self._present, None
        self._pieces.clear()
        if present is not None:
            await present.aclose()

    async def _ask(self) -> OriginParts:
        piece = self._pieces[0]
        answer = await self._origin.exchange("GET", piece.target, piece.headers, b"")
        if not piece.is_in(answer):
            await answer.parts.aclose()
            raise ConnectionError(f"a part of the object is not there any more ({answer.status})")
        return answer.parts


class PiecesDirect:
    """The same, straight from the sockets (objects.direct.Source)."""

    __slots__ = ("_direct", "_here", "_parts", "left", "received")

    def __init__(self, parts: PieceParts) -> None:
        self.received: list[bytes] = []
        self.left = parts.left
        self._parts = parts
        self._here: list[bytes] = []
        self._direct: Direct | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._settle()

    async def splice(self, pipe: int, most: int) -> int:
        """Moves bytes into a pipe that is empty, ``most`` of them; how many there were."""
        if not self._here and self._direct is None:
            await self._go_on()
        if self._here:
            count = self._write(pipe, most)
        else:
            assert self._direct is not None
            count = await self._direct.splice(pipe, most)
        self.left -= count
        if self._direct is not None and not self._direct.left and not self._here:
            self._settle()
        return count

    async def _go_on(self) -> None:
        """To the next piece."""
        parts = await self._parts.following()
        self._direct = parts.direct()
        if self._direct is not None:
            self._here, self._direct.received = self._direct.received, []
        else:
            self._here = [part async for part in parts]

    def _write(self, pipe: int, most: int) -> int:
        """What an event loop has read of a piece before it was left to us."""
        part = self._here.pop(0)
        count = os.write(pipe, part[:most])
        if count < len(part):
            self._here.insert(0, part[count:])
        return count

    def _settle(self) -> None:
        direct, self._direct = self._direct, None
        if direct is not None:
            direct.close()
