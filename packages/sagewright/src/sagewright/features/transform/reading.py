"""Reads an object that is fetched and decompressed meanwhile; what is wrong with it is the input's fault."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from sagewright.features.transform.records import BadInput
from sagewright.features.transform.source import ObjectFile

_BUFFER = 1024 * 1024


def opened(source: ObjectFile, compression: str) -> IO[bytes]:
    """Decompressed. Nobody closes it, there is nothing to give back: closing waits for a thread that reads, and that waits for the event loop."""
    file = io.BufferedReader(source, _BUFFER)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb") if compression == "Gzip" else file)


def next_batch(batches: Iterator[list[bytes]]) -> list[bytes] | None:
    """The next payload's records, None at the end. Raises BadInput."""
    with _input_problems():
        return next(batches, None)


def read_piece(file: IO[bytes]) -> bytes:
    """Some bytes, none at the end. Raises BadInput."""
    with _input_problems():
        return file.read(_BUFFER)


@contextmanager
def _input_problems() -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise BadInput(f"ClientError: the input cannot be decompressed: {problem}") from problem
    except OSError as problem:  # it is not there any more, or another one
        raise BadInput(f"ClientError: {problem}") from problem
