"""Reading a long text on several processors: forks read parts of it, for Python's threads would take turns.

A fork costs a few milliseconds and sends its table back through a pipe, which is worth it from some ten megabytes of text on. It does
nothing but parse, so it does not matter which threads the process had: none of theirs is in the fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from struct import Struct

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Reader = Callable[[bytes], Floats]

LEAST_BYTES = 8 << 20
"""What a processor gets at least."""
_SHAPE = Struct("<QQ")


def read_parts(content: bytes, read: Reader) -> list[Floats]:
    """What ``read`` makes of consecutive parts of ``content``, each of whole lines: one part for each processor.

    A part whose fork has failed, for whatever reason, is read here: the error that ``read`` raises for it is raised here as well.
    """
    parts = _parts(content, min(len(os.sched_getaffinity(0)), len(content) // LEAST_BYTES))
    forks = [_forked(part, read) for part in parts[1:]]
    try:
        first = read(parts[0])
    finally:
        tables = [_received(*fork) for fork in forks]
    return [first, *(read(part) if table is None else table for part, table in zip(parts[1:], tables, strict=True))]


def _parts(content: bytes, number: int) -> Sequence[bytes]:
    found, start = [], 0
    for share in range(1, number):
        end = content.find(b"\n", max(start, len(content) * share // number)) + 1
        if not end:
            break
        found.append(content[start:end])
        start = end
    return [*found, content[start:]]


def _forked(part: bytes, read: Reader) -> tuple[int, int]:
    """The fork's process id, and the end of the pipe where its table comes out."""
    source, sink = os.pipe()
    child = os.fork()
    if child:
        os.close(sink)
        return child, source
    try:
        with os.fdopen(sink, "wb") as pipe:
            table = read(part)
            pipe.write(_SHAPE.pack(*table.shape))
            pipe.write(np.ascontiguousarray(table).data)
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run here; the parent reads the part itself
        os._exit(1)
    os._exit(0)


def _received(child: int, source: int) -> Floats | None:
    """None if the fork has not sent the whole table."""
    with os.fdopen(source, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        return None
    shape = _SHAPE.unpack_from(content)
    return np.frombuffer(content, np.float32, offset=_SHAPE.size).reshape(shape)
