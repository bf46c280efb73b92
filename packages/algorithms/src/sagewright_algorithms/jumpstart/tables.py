"""The tabular channels of JumpStart's algorithms: CSV without a header, label first (DG:lightgbm, DG:catboost, DG:tabtransformer).

A training channel is a folder of CSV files, or one with ``train/`` and optionally ``validation/``; a ``validation`` channel may
stand beside it. ``categorical_index.json`` names the categorical columns, counted from the label's 0. Without validation data
20 % of the rows are drawn for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.rows import category

_CATEGORICAL = ("categorical_index.json", "cat_index.json")
_CONTENT_TYPES = ("", "csv", "text/csv")
_VALIDATION_SHARE = 0.2
_SEED = 0


@dataclass(frozen=True, slots=True)
class Split:
    """``features``: a DataFrame with the columns ``feature_0`` …; ``labels``: a Series. Both count their rows from 0."""

    features: Any
    labels: Any

    def __len__(self) -> int:
        return len(self.labels)

    def targets(self) -> Any:
        """The labels of regression, float64. Raises ClientError when one is no number."""
        try:
            return self.labels.astype(np.float64).to_numpy()
        except ValueError as error:
            raise ClientError(f"Regression needs numbers as labels: {error}") from error


@dataclass(frozen=True, slots=True)
class Tables:
    """``categorical``: positions among the features, from 0; these columns hold text (``rows.category``), "" where missing.

    The others hold float64, NaN where missing; or text, too, where ``read`` was told to let it pass.
    """

    train: Split
    validation: Split
    categorical: tuple[int, ...]

    @property
    def width(self) -> int:
        """Features of a row."""
        return int(self.train.features.shape[1])


def read(job: Job, text: bool = False) -> Tables:
    """All rows of the job. ``text``: columns that are neither numbers nor named as categories stay text. Raises ClientError."""
    folder = job.training()
    inner = folder / "train"
    training = inner if inner.is_dir() else folder
    categorical = _categorical(folder, training)
    train = _split(job, training, categorical, text)
    validation = _validation(job, folder, categorical, text)
    if validation is None:
        log.info("No validation data: 20% of the training data is drawn for it")
        train, validation = _drawn(train)
    if validation.features.shape[1] != train.features.shape[1]:
        widths = f"{validation.features.shape[1]} features, the training data {train.features.shape[1]}"
        raise ClientError(f"The validation data has {widths}")
    positions = _positions(categorical, train.features.shape[1])
    log.info(f"Training data: {len(train)} rows, {train.features.shape[1]} features; validation data: {len(validation)} rows")
    return Tables(train, validation, positions)


def _validation(job: Job, folder: Path, categorical: frozenset[int], text: bool) -> Split | None:
    """Of its own channel, or of the folder beside ``train/``."""
    channel = job.folder("validation")
    if channel is not None:
        inner = channel / "validation"
        return _split(job, inner if inner.is_dir() else channel, categorical, text)
    beside = folder / "validation"
    return _split(job, beside, categorical, text) if beside.is_dir() else None


def _categorical(*folders: Path) -> frozenset[int]:
    """Columns, counted from the label's 0."""
    found = [path for folder in dict.fromkeys(folders) for name in _CATEGORICAL if (path := folder / name).is_file()]
    if not found:
        return frozenset()
    try:
        columns = json.loads(found[0].read_text(encoding="utf-8"))["cat_index_list"]
        wrong = [column for column in columns if not isinstance(column, int) or isinstance(column, bool) or column <= 0]
    except (ValueError, KeyError, TypeError) as error:
        raise ClientError(f'{found[0].name} needs the form {{"cat_index_list": [1, 3]}}') from error
    if wrong or len(set(columns)) != len(columns):
        raise ClientError(f"{found[0].name}: cat_index_list must hold unique integers greater than zero, got {columns}")
    return frozenset(columns)


def _positions(categorical: frozenset[int], width: int) -> tuple[int, ...]:
    beyond = sorted(column for column in categorical if column > width)
    if beyond:
        raise ClientError(f"cat_index_list names column {beyond[0]}, but the data has only {width + 1} columns")
    return tuple(sorted(column - 1 for column in categorical))


def _split(job: Job, folder: Path, categorical: frozenset[int], text: bool) -> Split:
    content_type = job.content_type(folder)
    if content_type not in _CONTENT_TYPES:
        raise ClientError(f"Content type {content_type} is not supported for training: use text/csv")
    parts = [_table(path, categorical) for path in _files(folder)]
    if not parts:
        raise ClientError(f"No CSV file was found in the channel folder {folder.name}")
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1 or widths[0] < 2:
        raise ClientError(f"The CSV files of {folder.name} need the same number of columns, at least a label and a feature")
    table = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    labels = table[0]
    if labels.isna().any():
        raise ClientError(f"Row {int(labels.isna().to_numpy().argmax()) + 1} of {folder.name} has no label")
    features = table.drop(columns=0)
    features.columns = [f"feature_{number}" for number in range(features.shape[1])]
    return Split(_typed(features, categorical, text), labels)


def _files(folder: Path) -> Iterator[Path]:
    """The CSV files, in order of their names; a single file may be called anything."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    data = [path for path in found if path.name not in _CATEGORICAL]
    named = [path for path in data if path.suffix.lower() == ".csv"]
    return iter(named or data)


def _table(path: Path, categorical: frozenset[int]) -> Any:
    """Raises ClientError."""
    try:
        return pd.read_csv(path, header=None, low_memory=False, skipinitialspace=True, dtype=dict.fromkeys(categorical, str))
    except (ValueError, OverflowError) as error:  # pandas' ParserError and EmptyDataError, and what is not UTF-8
        raise ClientError(f"Unable to parse {path.name} as CSV: {error}") from error


def _typed(features: Any, categorical: frozenset[int], text: bool) -> Any:
    columns = {}
    for position, name in enumerate(features.columns):
        column = features[name]
        if position + 1 in categorical:
            columns[name] = column.fillna("").astype(str).map(category).astype(object)
        elif column.dtype.kind in "biuf":
            columns[name] = column.astype(np.float64)
        elif text:
            columns[name] = column.astype(object)
        else:
            sample = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()].iloc[0]
            raise ClientError(
                f"Column {position + 1} holds {sample!r}, which is not a number: name categorical columns in {_CATEGORICAL[0]}"
            )
    return pd.DataFrame(columns)


def _drawn(rows: Split) -> tuple[Split, Split]:
    """Training and validation rows, always the same ones for the same data."""
    count = round(len(rows) * _VALIDATION_SHARE)
    if not 0 < count < len(rows):
        raise ClientError(f"{len(rows)} rows are too few to draw {_VALIDATION_SHARE:.0%} of them for validation")
    order = np.random.default_rng(_SEED).permutation(len(rows))
    return _rows(rows, np.sort(order[count:])), _rows(rows, np.sort(order[:count]))


def _rows(split: Split, which: Any) -> Split:
    return Split(split.features.iloc[which].reset_index(drop=True), split.labels.iloc[which].reset_index(drop=True))
