"""Where encoded images come from: image records, listed files, or the pairs of an augmented manifest."""

from __future__ import annotations

import mmap
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from sagewright_algorithms.common.channels import Channel, files
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.recordio import MalformedRecordError
from sagewright_algorithms.vision import lst, records

_UNPARSABLE = "Unable to parse record. Please make sure input data is in correct recordio format."
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG")


@dataclass(frozen=True, slots=True)
class Example:
    """``image`` is encoded; ``name`` says in messages which it is.

    ``label`` holds the numbers of a record or list; ``annotation`` the bytes that an augmented manifest gives instead.
    """

    image: bytes
    label: Floats | None
    annotation: bytes | None
    name: str


class Source(Protocol):
    """A sequence of examples. Safe to read from several threads."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Example:
        """Raises ClientError, IndexError."""

    def outline(self, number: int) -> Example:
        """The example without its image (b""), which is cheap. Raises ClientError, IndexError."""


class Records:
    """The image records of ``.rec`` files, mapped into memory."""

    def __init__(self, contents: list[tuple[str, memoryview]]) -> None:
        """``contents``: file name and bytes. Raises ClientError."""
        self._items = [(name, content, place) for name, content in contents for place in _places(name, content)]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Example:
        """See Source."""
        name, content, place = self._items[number]
        try:
            record = records.unpack(records.payload(content, place))
        except MalformedRecordError as error:
            raise ClientError(f"{_UNPARSABLE} {error}, at byte {place[0][0] - records.HEAD} of {name}") from error
        return Example(record.image, record.label, None, f"at byte {place[0][0] - records.HEAD} of {name}")

    def outline(self, number: int) -> Example:
        """See Source."""
        return replace(self[number], image=b"")


class Pairs:
    """The pairs of image and annotation that a pipe gives for the AttributeNames ``["source-ref", "…"]``."""

    def __init__(self, name: str, content: memoryview) -> None:
        """Raises ClientError."""
        self._name, self._content, self._items = name, content, _places(name, content)
        if len(self._items) % 2:
            raise ClientError(f"The augmented manifest of the {name} channel needs two attributes: the image, then its label")

    def __len__(self) -> int:
        return len(self._items) // 2

    def __getitem__(self, number: int) -> Example:
        """See Source."""
        image, annotation = (records.payload(self._content, place) for place in self._items[2 * number : 2 * number + 2])
        return Example(image, None, annotation, f"number {number} of the {self._name} channel")

    def outline(self, number: int) -> Example:
        """See Source."""
        return replace(self[number], image=b"")


class ListedFiles:
    """Image files of a channel, in the order of a list."""

    def __init__(self, folder: Path, listed: list[lst.Listed]) -> None:
        """Raises ClientError when a file is not there or lies outside the channel."""
        self._folder, self._listed = folder, listed
        root = folder.resolve()
        for item in listed:
            path = (folder / item.path).resolve()
            if not path.is_relative_to(root) or not path.is_file():
                raise ClientError(f"The image {item.path} of the lst file is not in the {folder.name} channel")

    def __len__(self) -> int:
        return len(self._listed)

    def __getitem__(self, number: int) -> Example:
        """See Source."""
        return replace(self.outline(number), image=(self._folder / self._listed[number].path).read_bytes())

    def outline(self, number: int) -> Example:
        """See Source."""
        item = self._listed[number]
        return Example(b"", item.label, None, item.path)


def recorded(folder: Path, channel: Channel) -> Source:
    """What a channel of type application/x-recordio holds: ``.rec`` files, or a pipe of records or of pairs. Raises ClientError."""
    if channel.get("TrainingInputMode") == "Pipe":
        content = mapped(Path(f"{folder}_0"))
        source: Source = Pairs(folder.name, content) if _begins_with_image(content) else Records([(folder.name, content)])
    else:
        found = [path for path in files(folder) if path.suffix == ".rec"] or list(files(folder))
        source = Records([(path.name, mapped(path)) for path in found])
    if not len(source):
        raise ClientError(f"Unable to start training. Empty .rec file in {folder.name} channel.")
    return source


def mapped(path: Path) -> memoryview:
    """A file's bytes without reading them all; a pipe's are first copied to a temporary file, so that epochs can be repeated."""
    with path.open("rb") as file:
        if not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            return _map(file)
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
            copy.flush()
            return _map(copy)


def _map(file: BinaryIO | Any) -> memoryview:
    size = file.seek(0, 2)
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if size else memoryview(b"")


def _places(name: str, content: memoryview) -> list[records.Place]:
    try:
        return records.places(content)
    except MalformedRecordError as error:
        raise ClientError(f"{_UNPARSABLE} {error}, file {name}") from error


def _begins_with_image(content: memoryview) -> bool:
    """An image record begins with its header instead: as a flag, these bytes would announce a thousand million labels."""
    return content[8:12].tobytes().startswith(_IMAGE_STARTS)
