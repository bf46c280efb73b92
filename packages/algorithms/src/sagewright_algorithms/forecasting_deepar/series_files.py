"""The time series of a channel: JSON Lines, plain or compressed, and Parquet (DG:deepar, "Input/Output Interface")."""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from sagewright_algorithms.common.channels import NOTHING, Channel, files
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.forecasting_deepar.series import MalformedSeriesError, Series

_COMPRESSED = b"\x1f\x8b"
_SPARK_MARKER = "_SUCCESS"


def read(folder: Path, channel: Channel) -> tuple[list[Series], Path]:
    """The series of all files, and the first file, for the log. Raises ClientError; no series at all is an error, too."""
    first, found = folder, list[Series]()
    for path in files(folder):
        if path.name == _SPARK_MARKER:
            continue
        first = path if not found else first
        found += _reader(path, str(channel.get("ContentType") or "auto"))(path)
    if not found:
        raise ClientError(NOTHING)
    return found, first


def parse_lines(content: bytes) -> Iterator[Any]:
    """The documents of JSON Lines. Raises ValueError."""
    for line in content.splitlines():
        if line.strip():
            yield _document(line)


def _reader(path: Path, content_type: str) -> Callable[[Path], list[Series]]:
    """By content type or, where there is none, by the file's name."""
    name = content_type.partition(";")[0].strip().lower()
    if name == "auto":
        name = next((known for known in ("json", "json.gz", "parquet") if path.name.endswith(f".{known}")), "")
    if name in ("json", "json.gz", "application/json", "application/jsonlines", "application/x-gzip"):
        return _read_lines
    if name in ("parquet", "application/x-parquet"):
        return _read_parquet
    raise ClientError(
        f"The format of {path} is not known: a name ends in .json, .json.gz or .parquet, or ContentType is json, json.gz or parquet"
    )


def _read_lines(path: Path) -> list[Series]:
    found: list[Series] = []
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(_COMPRESSED) else content
        found.extend(Series.of_record(record) for record in parse_lines(content))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ClientError(f"Error when parsing json (source: {path}, row: {len(found) + 1}): {error}") from error
    return found


def _document(line: bytes) -> Any:
    """orjson knows no NaN, which Python's own writer makes."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)


def _read_parquet(path: Path) -> list[Series]:
    """pyarrow takes 60 MB of memory: loaded only where a channel holds Parquet."""
    parquet = importlib.import_module("sagewright_algorithms.forecasting_deepar.parquet_file")
    try:
        return [Series.of_record(record) for record in parquet.records(path)]
    except MalformedSeriesError as error:
        raise ClientError(f"Error when parsing parquet (source: {path}): {error}") from error
