"""A channel's text as one file for fastText: a sentence per line, labels as words that start with ``__label__`` (DG:blazingtext)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from sagewright_algorithms.common.channels import NOTHING, Channel, files, media_type
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.recordio import MalformedRecordError, frames

LABEL = "__label__"
TEXT, JSON_LINES, RECORDIO = "text/plain", "application/jsonlines", "application/x-recordio"
_LABELLED = re.compile(rb"(?:^|\s)" + LABEL.encode(), re.MULTILINE)
_PIECE = 1 << 24
_BREAKS = str.maketrans("\r\n\0", "   ")


def text_of(folder: Path, channel: Channel, scratch: Path) -> Path:
    """The only file of a channel of plain text, or a new file in ``scratch``. Raises ClientError."""
    kind = media_type(channel, TEXT, JSON_LINES, RECORDIO)
    piped = channel.get("TrainingInputMode") == "Pipe"
    found = [Path(f"{folder}_0")] if piped else list(files(folder))
    if kind == TEXT and len(found) == 1 and not piped:
        path = found[0]
    else:
        path = scratch / f"{folder.name}.txt"
        with path.open("wb") as output:
            output.writelines(piece for file in found for piece in _converted(file, kind))
    if not _has_words(path):
        raise ClientError(NOTHING)
    return path


def check_labels(path: Path, channel: str) -> None:
    """fastText would crash on a file without labels. Raises ClientError."""
    if not any(_LABELLED.search(piece) for piece in _pieces(path)):
        raise ClientError(
            f"The channel {channel} has no labels: in supervised mode each line needs a word that starts with {LABEL}"
        )


def _has_words(path: Path) -> bool:
    return any(piece.strip() for piece in _pieces(path))


def _pieces(path: Path) -> Iterator[bytes]:
    """The file by parts that overlap, so that a label is whole in one of them."""
    tail = b""
    with path.open("rb") as content:
        while piece := content.read(_PIECE):
            yield tail + piece
            tail = piece[-len(LABEL) - 1 :]


def _converted(file: Path, kind: str) -> Iterator[bytes]:
    """Lines; the last one has its end, too."""
    content = file.read_bytes()
    if kind == RECORDIO:
        yield from _of_records(content, file)
    elif kind == JSON_LINES:
        yield from _of_json_lines(content, file)
    else:
        yield content if content.endswith(b"\n") else content + b"\n"


def _of_json_lines(content: bytes, file: Path) -> Iterator[bytes]:
    """An augmented manifest: ``{"source": "…", "label": 1}`` or a list of labels."""
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ClientError(f"Unable to parse jsonlines: line {number}, file {file}: {error}") from error
        if not isinstance(document, Mapping) or not isinstance(document.get("source"), str):
            raise ClientError(f'Unable to parse jsonlines: line {number}, file {file}: it has no text "source"')
        yield _line(document["source"], document.get("label", ()))


def _of_records(content: bytes, file: Path) -> Iterator[bytes]:
    """What an augmented manifest with AttributeNames [source, label] becomes in a pipe: text and label by turns."""
    try:
        records = [bytes(record) for record in frames(content)]
        for source, label in zip(records[::2], records[1::2], strict=True):
            yield _line(source.decode(), orjson.loads(label))
    except (MalformedRecordError, ValueError) as error:
        raise ClientError(f"Unable to read recordio: {error}, file {file}: it needs AttributeNames [source, label]") from error


def _line(source: str, label: Any) -> bytes:
    labels: Iterable[Any] = label if isinstance(label, list | tuple) else [label]
    words = [f"{LABEL}{str(item).removeprefix(LABEL)}" for item in labels]
    return (" ".join([*words, source.translate(_BREAKS)]) + "\n").encode()
