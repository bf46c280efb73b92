"""What one epoch of a channel streams: the records of its ``channel.json``, which the server has written beside their files."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC, _HEAD = 0xCED7230A, struct.Struct("<II")
_LENGTHS = 1 << 29  # above it the length field holds the flags of a record in several parts
_PIECE = 1 << 20

Part = dict[str, str]


class MalformedError(Exception):
    """An object that is not what the request says; the text names it."""


@dataclass(frozen=True)
class Channel:
    """``records`` are lists of parts: {"File": name in ``folder``, "Key": where it is from} or {"Text": text}."""

    folder: Path
    records: list[list[Part]]
    gzip: bool
    record_io: bool
    seed: int | None
    shard: tuple[int, int]

    @classmethod
    def read(cls, folder: Path) -> Channel:
        """Raises OSError."""
        document: dict[str, Any] = json.loads((folder / "channel.json").read_bytes())
        index, of = document["Shard"]
        return cls(folder, document["Records"], document["Gzip"], document["RecordIO"], document["Seed"], (index, of))

    def epoch(self, number: int) -> list[list[Part]]:
        """The records in the order of an epoch: anew for each with a seed (API ShuffleConfig), and the same in every run."""
        if self.seed is None:
            return self.records
        order = list(self.records)
        random.Random(f"{self.seed} {number}").shuffle(order)
        index, of = self.shard
        return order[index::of]

    def write(self, pipe: BinaryIO, number: int) -> None:
        """Streams an epoch. Raises MalformedError, BrokenPipeError."""
        for record in self.epoch(number):
            for part in record:
                self._write_part(pipe, part)
        pipe.flush()

    def _write_part(self, pipe: BinaryIO, part: Part) -> None:
        if "Text" in part:
            self._write_content(pipe, part["Text"].encode())
        elif self.gzip:
            self._write_unpacked(pipe, part)
        else:
            with (self.folder / part["File"]).open("rb", buffering=0) as file:
                self._send_file(pipe, file.fileno(), os.fstat(file.fileno()).st_size)

    def _write_unpacked(self, pipe: BinaryIO, part: Part) -> None:
        """A record's length comes first, so one is unpacked as a whole."""
        try:
            with gzip.open(self.folder / part["File"]) as unpacked:
                if self.record_io:
                    content = unpacked.read(_LENGTHS)
                else:
                    shutil.copyfileobj(unpacked, pipe, _PIECE)
                    return
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise MalformedError(f"{part['Key']} is not a gzip file: {error}") from error
        if len(content) == _LENGTHS:
            raise MalformedError(f"{part['Key']} is too large for a RecordIO record.")
        self._write_content(pipe, content)

    def _write_content(self, pipe: BinaryIO, content: bytes) -> None:
        self._write_file(pipe, BytesIO(content), len(content))

    def _write_file(self, pipe: BinaryIO, file: BinaryIO, length: int) -> None:
        self._write_head(pipe, length)
        shutil.copyfileobj(file, pipe, _PIECE)
        self._write_end(pipe, length)

    def _send_file(self, pipe: BinaryIO, file: int, length: int) -> None:
        """The same for a file, whose content the kernel moves by itself."""
        self._write_head(pipe, length)
        pipe.flush()
        sent = 0
        while sent < length:
            count = os.sendfile(pipe.fileno(), file, sent, length - sent)
            if not count:
                raise OSError(f"a file of {length} bytes ended after {sent}")
            sent += count
        self._write_end(pipe, length)

    def _write_head(self, pipe: BinaryIO, length: int) -> None:
        """DG cdf-training: magic number and length in front of the payload, which is filled up to a multiple of four."""
        if self.record_io:
            pipe.write(_HEAD.pack(_MAGIC, length))

    def _write_end(self, pipe: BinaryIO, length: int) -> None:
        if self.record_io:
            pipe.write(b"\0" * (-length % 4))
