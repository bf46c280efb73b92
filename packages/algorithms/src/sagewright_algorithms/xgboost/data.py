"""The rows of a channel: which files, which format, whose reader."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sagewright_algorithms.xgboost import csv_data, libsvm_data, recordio_data
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import DenseExamples, Examples, joined
from sagewright_algorithms.xgboost.log import info

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio-protobuf"
_CONTENT_TYPES = {
    "csv": CSV,
    "text/csv": CSV,
    "libsvm": LIBSVM,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "recordio-protobuf": RECORDIO,
    "application/x-recordio-protobuf": RECORDIO,
}
_MAXIMUM_DEPTH = 3


def content_type(channel: Mapping[str, Any]) -> str:
    """csv, libsvm (also when there is none), parquet or recordio-protobuf. Raises UserError."""
    text = str(channel.get("ContentType") or "libsvm")
    name, *options = [part.strip().lower() for part in text.split(";")]
    if name not in _CONTENT_TYPES:
        raise UserError(f"{text} is not an accepted ContentType: {', '.join(_CONTENT_TYPES)}.")
    if any(option.startswith("label_size") and option.replace(" ", "") != "label_size=1" for option in options):
        raise UserError(f'"{text}" is not an accepted csv ContentType. Optional parameter label_size must be equal to 1')
    return _CONTENT_TYPES[name]


def read_channel(folder: Path, channel: Mapping[str, Any], weighted: bool) -> Examples | None:
    """All rows of a channel, None when it has no files. ``channel`` is its entry in inputdataconfig.json. Raises UserError."""
    kind = content_type(channel)
    if channel.get("TrainingInputMode") == "Pipe":
        return _read_pipe(folder, kind, weighted)
    info(f"files path: {folder}")
    parts = [_read_file(path, kind, weighted) for path in files(folder)]
    return joined(parts) if parts else None


def files(folder: Path) -> Iterator[Path]:
    """Every data file, sorted, in sub-folders to depth 3. Raises UserError for hidden files."""
    for here, folders, names in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = sorted(folders) if depth < _MAXIMUM_DEPTH else []
        for name in sorted(names):
            if name.startswith("."):
                raise UserError("Hidden file found in the data path! Remove that before training.")
            path = Path(here) / name
            if path.stat().st_size:
                yield path


def _read_file(path: Path, kind: str, weighted: bool) -> Examples:
    if kind == PARQUET:
        module = importlib.import_module("sagewright_algorithms.xgboost.parquet_data")
        examples: DenseExamples = module.read(path, weighted)
        return examples
    return _parse(path.read_bytes(), kind, path.name, weighted)


def _read_pipe(folder: Path, kind: str, weighted: bool) -> Examples | None:
    """The first epoch of a channel streamed through a FIFO (``<channel>_0``)."""
    if kind not in (CSV, RECORDIO):
        raise UserError(f"Pipe mode is not supported for {kind}. Please use File or FastFile mode instead.")
    content = Path(f"{folder}_0").read_bytes()
    return _parse(content, kind, f"{folder.name}_0", weighted) if content else None


def _parse(content: bytes, kind: str, name: str, weighted: bool) -> Examples:
    if kind == CSV:
        info(f"Determined delimiter of CSV input is '{csv_data.delimiter_of(content).decode()}'")
        return csv_data.read(content, name, weighted)
    return libsvm_data.read(content, name) if kind == LIBSVM else recordio_data.read(content)
