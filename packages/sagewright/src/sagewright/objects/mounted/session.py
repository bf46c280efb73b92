"""Answers the kernel for one mounted channel."""

from __future__ import annotations

import asyncio
import errno
import os
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass

from sagewright.objects.mounted import protocol
from sagewright.objects.mounted.names import Named, Names
from sagewright.objects.mounted.nodes import Node, Nodes
from sagewright.objects.mounted.protocol import Request
from sagewright.objects.mounted.reader import Blocks, Piece, Reader

KNOWN_SECONDS = 3600
"""How long the kernel may keep a name and its attributes: input data do not change while a job runs."""
UNKNOWN_SECONDS = 1
_TURN = 64  # requests before another channel has its turn

Answer = Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Errors:
    """How an error of S3 becomes an errno: ``told`` says it where the user looks."""

    told: Callable[[OSError], None]

    def number(self, error: OSError) -> int:
        """Names that may not be seen are EACCES; all else that S3 says is EIO."""
        self.told(error)
        return errno.EACCES if isinstance(error, PermissionError) else errno.EIO


class _Listing:
    """An open folder: its names come as they are wanted, and none is kept that was given."""

    def __init__(self, names: Names, folder: Node) -> None:
        self._names = names
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self._source: AsyncIterator[Named] = self._names.entries(self._folder.path)
        self._position = 0
        self._pending: Named | None = None

    async def at(self, position: int) -> Named | None:
        """The name at a position, counted from 0; None after the last. Going back begins anew."""
        if position < self._position:
            self._begin()
        while True:
            if self._pending is None:
                self._pending = await anext(self._source, None)
            if self._pending is None or position == self._position:
                return self._pending
            self._pending = None
            self._position += 1


class Session:
    """One connection to the kernel: ``device`` is a descriptor of /dev/fuse, not blocking, that a file system was mounted with.

    Ends (``ended``) when the file system is unmounted everywhere.
    """

    def __init__(self, device: int, names: Names, nodes: Nodes, blocks: Blocks, errors: Errors) -> None:
        self._device = device
        self._names = names
        self._nodes = nodes
        self._blocks = blocks
        self._errors = errors
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._files: dict[int, Reader] = {}
        self._folders: dict[int, _Listing] = {}
        self._last_handle = 0
        self.ended = asyncio.Event()

    def serve(self) -> None:
        """Begins to answer."""
        asyncio.get_running_loop().add_reader(self._device, self._readable)

    def _readable(self) -> None:
        for _ in range(_TURN):
            try:
                data = os.read(self._device, protocol.REQUEST_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):  # the request went away while it was read
                    continue
                data = b""
            if not data:  # unmounted everywhere
                self._end()
                return
            self._take(protocol.parse(data))

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._device)
        for task in self._tasks.values():
            task.cancel()
        os.close(self._device)
        self.ended.set()

    def _take(self, request: Request) -> None:
        """What needs nothing of S3 is answered here and now."""
        opcode, unique, number, body = request
        try:
            if opcode == protocol.READ:
                self._read(unique, body)
            elif opcode in (protocol.FORGET, protocol.BATCH_FORGET):
                for node, count in protocol.forgotten(request):
                    self._nodes.forget(node, count)
            elif opcode == protocol.INTERRUPT:
                if (task := self._tasks.get(protocol.handle_of(body))) is not None:
                    task.cancel()
            elif opcode == protocol.LOOKUP:
                self._later(unique, self._look(self._nodes[number], body))
            elif opcode in (protocol.READDIR, protocol.READDIRPLUS):
                self._later(unique, self._list(self._nodes[number], body, opcode == protocol.READDIRPLUS))
            else:
                self._answer(unique, self._at_once(opcode, number, body))
        except KeyError:
            self._refuse(unique, errno.ENOENT)
        except NotImplementedError:
            self._refuse(unique, errno.ENOSYS)

    def _at_once(self, opcode: int, number: int, body: bytes) -> Answer:
        """Raises KeyError for a node that is not known, NotImplementedError."""
        if opcode == protocol.INIT:
            return [protocol.accepted(body)]
        if opcode == protocol.GETATTR:
            return [protocol.current(self._nodes.attributes(self._nodes[number]), KNOWN_SECONDS)]
        if opcode == protocol.OPEN:
            return [self._open(self._nodes[number])]
        if opcode == protocol.OPENDIR:
            return [self._open_folder(self._nodes[number])]
        if opcode == protocol.RELEASE:
            del self._files[protocol.handle_of(body)]
            return []
        if opcode == protocol.RELEASEDIR:
            del self._folders[protocol.handle_of(body)]
            return []
        if opcode == protocol.STATFS:
            return [protocol.statistics()]
        if opcode in (protocol.FLUSH, protocol.DESTROY):
            return []
        raise NotImplementedError

    def _open(self, node: Node) -> bytes:
        if node.stored is None:
            raise KeyError(node.number)
        self._last_handle += 1
        self._files[self._last_handle] = Reader(node.stored, self._blocks)
        return protocol.opened(self._last_handle, folder=False)

    def _open_folder(self, node: Node) -> bytes:
        self._last_handle += 1
        self._folders[self._last_handle] = _Listing(self._names, node)
        return protocol.opened(self._last_handle, folder=True)

    def _read(self, unique: int, body: bytes) -> None:
        handle, offset, size = protocol.read_of(body)
        reader = self._files[handle]
        pieces = reader.at_once(offset, size)
        if pieces is not None:
            self._answer(unique, pieces)
        else:
            self._later(unique, reader.read(offset, size))

    async def _look(self, folder: Node, body: bytes) -> Answer:
        name = _text(body.rstrip(b"\0"))
        named = None if name is None else await self._names.look(folder.path, name)
        if named is None:
            return [protocol.no_entry(UNKNOWN_SECONDS)]
        return [protocol.entry(self._nodes.attributes(self._nodes.met(folder, named)), KNOWN_SECONDS)]

    async def _list(self, folder: Node, body: bytes, plus: bool) -> Answer:
        """As many names as fit; with READDIRPLUS each is looked up by that."""
        handle, offset, size = protocol.read_of(body)
        listing, found, used = self._folders[handle], list[bytes](), 0
        while True:
            named = Named((".", "..")[offset]) if offset < 2 else await listing.at(offset - 2)
            if named is None:
                return found
            name = os.fsencode(named.name)
            if used + protocol.dirent_bytes(name, plus) > size:
                return found
            node = Node(protocol.ROOT, "", named.stored) if offset < 2 or not plus else self._nodes.met(folder, named)
            attributes = self._nodes.attributes(node)
            offset += 1
            if plus:
                found.append(protocol.no_entry(0) if offset <= 2 else protocol.entry(attributes, KNOWN_SECONDS))
            found.append(protocol.dirent(attributes, offset, name))
            used += protocol.dirent_bytes(name, plus)

    def _later(self, unique: int, work: Coroutine[None, None, Answer]) -> None:
        task = asyncio.get_running_loop().create_task(self._do(unique, work))
        self._tasks[unique] = task
        task.add_done_callback(lambda _: self._tasks.pop(unique, None))

    async def _do(self, unique: int, work: Coroutine[None, None, Answer]) -> None:
        try:
            answer = await work
        except asyncio.CancelledError:
            self._refuse(unique, errno.EINTR)
        except OSError as error:
            self._refuse(unique, self._errors.number(error))
        except Exception:  # noqa: BLE001 - a program must not wait for ever because of a mistake of ours
            traceback.print_exc()
            self._refuse(unique, errno.EIO)
        else:
            self._answer(unique, answer)

    def _answer(self, unique: int, pieces: Answer) -> None:
        self._write([protocol.head(unique, sum(map(len, pieces))), *pieces])

    def _refuse(self, unique: int, number: int) -> None:
        self._write([protocol.refusal(unique, number)])

    def _write(self, parts: Sequence[Piece]) -> None:
        if self.ended.is_set():
            return
        try:
            os.writev(self._device, parts)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EBADF):  # the question was taken back
                raise


def _text(name: bytes) -> str | None:
    """A name that is not UTF-8 is that of no object."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None
