"""Default training data: the tables that come with scikit-learn, label first, every fifth row for validation.

AWS's own (MNIST, UCI Adult, abalone) are not ours to hand on. Read from the library's files, because importing it takes a second
and 100 MB.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_EVERY = 5

Table = list[list[str]]


@cache
def files(name: str) -> Mapping[str, bytes]:
    """By path below the data set's folder; none when there is no such data set here."""
    folder = _folder()
    if folder is None or name not in _READERS:
        return {}
    table = _READERS[name](folder)
    validation = table[_EVERY - 1 :: _EVERY]
    train = [row for number, row in enumerate(table) if number % _EVERY != _EVERY - 1]
    return {"train/data.csv": _text(train), "validation/data.csv": _text(validation)}


def _binary(folder: Path) -> Table:
    """Breast cancer: 569 rows, 30 features. Its file has the label last, and a line of counts first."""
    with (folder / "breast_cancer.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return [[row[-1], *row[:-1]] for row in rows]


def _multiclass(folder: Path) -> Table:
    """Digits: 1 797 rows, 64 features, 10 classes; label last."""
    with gzip.open(folder / "digits.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        return [[_whole(row[-1]), *map(_whole, row[:-1])] for row in csv.reader(lines)]


def _regression(folder: Path) -> Table:
    """Diabetes: 442 rows, 10 features; the labels are in a file of their own."""
    rows = _spaced(folder / "diabetes_data_raw.csv.gz")
    return [[*label, *row] for label, row in zip(_spaced(folder / "diabetes_target.csv.gz"), rows, strict=True)]


_READERS: dict[str, Callable[[Path], Table]] = {
    "tabular_binary": _binary,
    "tabular_multiclass": _multiclass,
    "tabular_regression": _regression,
}


def _spaced(file: Path) -> Iterator[list[str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield [f"{float(cell):g}" for cell in line.split()]


def _whole(cell: str) -> str:
    return f"{float(cell):g}"


def _text(table: Table) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(table)
    return stream.getvalue().encode()


@cache
def _folder() -> Path | None:
    spec = find_spec("sklearn")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) / "datasets" / "data" if places else None
