"""How many lines of a labelled text a classifier gets right; a large text is divided among processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sagewright_algorithms.blazingtext.library import Model

_BYTES_PER_PROCESS = 4_000_000  # some tenths of a second
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``lines`` with a label, and the share of them whose likeliest label is one of theirs."""

    lines: int
    share: float


def measured(model: Model, text: Path, scratch: Path, processes: int = 1) -> Accuracy:
    """fastText measures on one thread, and keeps the interpreter's lock meanwhile: hence processes."""
    count = min(processes, text.stat().st_size // _BYTES_PER_PROCESS)
    if count <= 1:
        return Accuracy(*model.score(text))
    found = [item.recv() for item in [_started(model, part) for part in _parts(text, scratch, count)]]
    lines = sum(item.lines for item in found)
    return Accuracy(lines, sum(item.lines * item.share for item in found) / lines if lines else 0.0)


def _started(model: Model, part: Path) -> Connection[Accuracy, Accuracy]:
    """A child shares the model's memory. One that dies closes its end: receiving then raises EOFError."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    context.Process(target=_score, args=(model, part, sending), daemon=True).start()
    sending.close()
    return receiving


def _score(model: Model, part: Path, sending: Connection[Accuracy, Accuracy]) -> None:
    sending.send(Accuracy(*model.score(part)))
    sending.close()


def _parts(text: Path, scratch: Path, count: int) -> Iterator[Path]:
    """Whole lines in files of about the same size."""
    size = text.stat().st_size
    with text.open("rb") as content:
        for number in range(count):
            path = scratch / f"part-{number}"
            with path.open("wb") as output:
                end = size * (number + 1) // count
                while content.tell() < end:
                    output.write(content.read(min(_PIECE, end - content.tell())))
                output.write(content.readline())
            yield path
