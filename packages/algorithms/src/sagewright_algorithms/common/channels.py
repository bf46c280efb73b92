"""The channels of a training job: which files, which content type, rows and labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagewright_algorithms.common import csv_rows, matrix, uniform_records
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats, Rows
from sagewright_algorithms.recordio import MalformedRecordError, Tensor, decode

RECORDIO, CSV = "application/x-recordio-protobuf", "text/csv"
NOTHING = (
    "No training data processed. Either the training channel is empty or the mini-batch size is too high. Verify that training "
    "data contains non-empty files and the mini-batch size is less than the number of records per training host."
)
Channel = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Examples:
    """``labels`` is None when the rows carry none."""

    rows: Rows
    labels: Floats | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def dense(self, width: int) -> Floats:
        """Raises ClientError when the rows are not ``width`` long or a value is not finite."""
        try:
            table = matrix.dense(self.rows, width)
        except matrix.WrongWidthError as error:
            raise ClientError(str(error)) from error
        return table

    def required_labels(self) -> Floats:
        """Raises ClientError when there are none."""
        if self.labels is None:
            raise ClientError("The data has no labels: each record needs one (label_size=1 for text/csv)")
        return self.labels


def read(folder: Path, channel: Channel) -> Examples:
    """All records of a channel. Raises ClientError; no records at all is an error, too."""
    name, label_size = content_type(channel)
    parse: Callable[[bytes, str], Examples] = _read_recordio if name == RECORDIO else _csv_reader(label_size)
    parts = [parse(content, place) for place, content in _contents(folder, channel) if content.strip()]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise ClientError(NOTHING)
    examples = _joined(parts)
    _check_finite(folder.name, examples)
    return examples


def media_type(channel: Channel, *known: str) -> str:
    """The channel's content type without its options, one of the ``known`` ones; the first unless said. Raises ClientError."""
    name = str(channel.get("ContentType") or known[0]).partition(";")[0].strip().lower()
    if name not in known:
        raise ClientError(f"No iterator has been registered for ContentType {(name, '1.0')}")
    return name


def content_type(channel: Channel) -> tuple[str, int]:
    """The media type and label_size (1 unless said). Raises ClientError."""
    text = str(channel.get("ContentType") or RECORDIO)
    name, options = media_type(channel, RECORDIO, CSV), [part.strip().lower() for part in text.split(";")[1:]]
    given = dict(option.replace(" ", "").partition("=")[::2] for option in options)
    size = given.get("label_size", "1")
    if not size.isdigit():
        raise ClientError(f"The label_size of ContentType {text!r} is not a number")
    return name, int(size)


def files(folder: Path) -> Iterator[Path]:
    """Every data file, sorted by its path."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(here) / name for name in sorted(names) if not name.startswith("."))


def _contents(folder: Path, channel: Channel) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of each file, or of the one epoch of a pipe."""
    paths = [Path(f"{folder}_0")] if channel.get("TrainingInputMode") == "Pipe" else files(folder)
    for path in paths:
        yield str(path), path.read_bytes()


def _csv_reader(label_size: int) -> Callable[[bytes, str], Examples]:
    def read_csv(content: bytes, place: str) -> Examples:
        try:
            table = csv_rows.read(content)
        except csv_rows.MalformedCsvError as error:
            raise ClientError(f"Unable to parse csv: rows {error.first}-{error.last}, file {place}") from error
        if label_size >= table.shape[1] > 0:
            raise ClientError(f"Unable to parse csv: label_size {label_size} leaves no features, file {place}")
        return Examples(table[:, label_size:], table[:, 0].copy() if label_size else None)

    return read_csv


def _read_recordio(content: bytes, place: str) -> Examples:
    try:
        uniform = uniform_records.read(content)
        if uniform is not None:
            return Examples(*uniform)
        records = list(decode(content))
        rows = matrix.of_tensors(_features(record.features) for record in records)
    except ValueError as error:  # MalformedRecordError, WrongWidthError
        raise ClientError(f"Unable to read recordio-protobuf: {error}, file {place}") from error
    labels = [record.label.get("values") for record in records]
    if not all(label is not None and len(label.values) for label in labels):
        return Examples(rows)
    return Examples(rows, np.array([label.values[0] for label in labels if label is not None], np.float32))


def _features(features: Mapping[str, Tensor]) -> Tensor:
    if "values" not in features:
        raise MalformedRecordError('a Record without the feature "values"')
    return features["values"]


def _joined(parts: list[Examples]) -> Examples:
    try:
        rows = matrix.joined([part.rows for part in parts])
    except matrix.WrongWidthError as error:
        raise ClientError(str(error)) from error
    labels = [part.labels for part in parts if part.labels is not None]
    return Examples(rows, np.concatenate(labels) if len(labels) == len(parts) else None)


def _check_finite(name: str, examples: Examples) -> None:
    values = examples.rows if isinstance(examples.rows, np.ndarray) else examples.rows.values
    if not np.isfinite(values).all() or (examples.labels is not None and not np.isfinite(examples.labels).all()):
        raise ClientError(f"The channel {name} contains NaN or infinite values")
