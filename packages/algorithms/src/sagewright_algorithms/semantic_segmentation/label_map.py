"""Which class the values of a label image stand for (DG:semantic-segmentation, "label map")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sagewright_algorithms.common.errors import ClientError

IGNORED = 255
"""Pixels of no class: as a value of a label image (the convention of PASCAL VOC), and in what is trained on."""
Table = npt.NDArray[np.uint8]


def identity() -> Table:
    """Values are classes."""
    return np.arange(256, dtype=np.uint8)


def read(folder: Path, channel: str) -> Table:
    """The class of each of the 256 values by ``<channel>_label_map.json`` of the label_map channel; without it the identity.

    Raises ClientError.
    """
    file = folder / f"{channel}_label_map.json"
    if not file.is_file():
        return identity()
    try:
        return _table(orjson.loads(file.read_bytes()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        form = '{"scale": "3"} or {"map": {"0": 5}}'
        raise ClientError(f"The label map {file.name} is not of the form {form}: {error}") from error


def _table(document: Any) -> Table:
    if "map" in document:
        return _of_map(document["map"])
    scale = float(document["scale"])
    if not scale >= 1:
        raise ValueError("a scale below 1")
    table = np.floor(np.arange(256) / scale).astype(np.uint8)
    table[IGNORED] = IGNORED
    return table


def _of_map(entries: dict[str, Any]) -> Table:
    """``{"0": 5}``: the value 5 is class 0. A value that is not listed belongs to no class."""
    table = np.full(256, IGNORED, np.uint8)
    for name, value in entries.items():
        class_, encoded = int(name), int(value)
        if not 0 <= class_ < IGNORED or not 0 <= encoded <= IGNORED:
            raise ValueError(f"a class or value that is not between 0 and 255: {name}: {value}")
        table[encoded] = class_
    return table
