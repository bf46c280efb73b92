"""The labelled sentences of a channel: ``data.csv``, label and text, no header (DG:text-classification-tensorflow-inputoutput)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log
from sagewright_algorithms.jumpstart.job import Job

_FILE = "data.csv"
_CONTENT_TYPES = ("", "csv", "text/csv")
_SEED = 0


@dataclass(frozen=True, slots=True)
class Sentences:
    """One label per text."""

    texts: list[str]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, which: list[int]) -> Sentences:
        """Those at the given places."""
        return Sentences([self.texts[place] for place in which], [self.labels[place] for place in which])


@dataclass(frozen=True, slots=True)
class Data:
    """``validation`` may be empty; ``classes`` are labelled 0 … classes - 1."""

    train: Sentences
    validation: Sentences
    classes: int


def read(job: Job, share: float) -> Data:
    """``share`` of the training sentences is drawn for validation when that has no channel. Raises ClientError."""
    train = _channel(job, job.training())
    folder = job.folder("validation")
    validation = _channel(job, folder) if folder is not None else None
    classes = _classes({*train.labels, *(validation.labels if validation is not None else ())})
    if validation is None:
        train, validation = _drawn(train, share)
    log.info(f"{len(train)} sentences for training, {len(validation)} for validation, {classes} classes")
    return Data(train, validation, classes)


def _channel(job: Job, folder: Path) -> Sentences:
    content_type = job.content_type(folder)
    if content_type not in _CONTENT_TYPES:
        raise ClientError(f"Content type {content_type} is not supported for training: use text/csv")
    files = [folder / _FILE] if (folder / _FILE).is_file() else sorted(folder.rglob("*.csv"))
    if not files:
        raise ClientError(f"The channel {folder.name} has no {_FILE}")
    parts = [_read(file) for file in files]
    found = Sentences([text for part in parts for text in part.texts], [label for part in parts for label in part.labels])
    if not len(found):
        raise ClientError(f"{files[0].name} of the channel {folder.name} holds no sentences")
    return found


def _read(file: Path) -> Sentences:
    csv.field_size_limit(1 << 30)
    try:
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ClientError(f"Unable to parse {file.name} as CSV: {error}") from error
    found = Sentences([], [])
    for number, row in enumerate(rows, 1):
        if row:
            found.labels.append(_label(row, number, file.name))
            found.texts.append(",".join(row[1:]))  # a text with commas that nobody quoted
    return found


def _label(row: list[str], number: int, name: str) -> int:
    if len(row) < 2:
        raise ClientError(f"Row {number} of {name} has no text: each needs a label and a text")
    text = row[0].strip()
    if not text.isdecimal():
        raise ClientError(f"Row {number} of {name} begins with {text[:40]!r}: labels are integers from 0 on")
    return int(text)


def _classes(labels: set[int]) -> int:
    if len(labels) < 2:
        raise ClientError(f"The labels hold {len(labels)} class; classification needs at least two")
    missing = next((label for label in range(len(labels)) if label not in labels), None)
    if missing is not None:
        raise ClientError(f"The labels must be the integers from 0 to {len(labels) - 1}: no sentence has the label {missing}")
    return len(labels)


def _drawn(sentences: Sentences, share: float) -> tuple[Sentences, Sentences]:
    count = round(len(sentences) * share)
    if count >= len(sentences):
        raise ClientError(f"validation_split_ratio {share} leaves none of {len(sentences)} sentences for training")
    order = np.random.default_rng(_SEED).permutation(len(sentences)).tolist()
    return sentences.part(sorted(order[count:])), sentences.part(sorted(order[:count]))
