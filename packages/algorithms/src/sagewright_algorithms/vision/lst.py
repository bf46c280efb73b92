"""Lists of image files (``.lst``): index, one label or several, relative path, separated by tabs (DG:image-classification)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagewright_algorithms.common.channels import files
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats


@dataclass(frozen=True, slots=True)
class Listed:
    """A line: ``path`` is relative to the channel of the images."""

    index: int
    label: Floats
    path: str


def find(folder: Path, channel: str) -> Path:
    """The channel's only ``.lst`` file. Raises ClientError."""
    found = [path for path in files(folder) if path.suffix == ".lst"]
    if len(found) != 1:
        raise ClientError(f"Invalid lst file in the {channel} channel. One .lst file is needed, {len(found)} were found.")
    return found[0]


def read(path: Path, channel: str) -> list[Listed]:
    """All lines. Raises ClientError for a line that is not of the form, for a second image of one index, for no line."""
    found, indices = [], set()
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        listed = _line(line)
        if listed is None or listed.index in indices:
            reason = "an index for the second time" if listed else "not: index, label, relative path, separated by tabs"
            raise ClientError(f"Invalid lst file in the {channel} channel. Line {number} of {path.name}: {reason}.")
        indices.add(listed.index)
        found.append(listed)
    if not found:
        raise ClientError(f"Invalid lst file in the {channel} channel. {path.name} is empty.")
    return found


def _line(line: bytes) -> Listed | None:
    try:
        index, *labels, path = line.strip(b"\r\n").split(b"\t")
        numbers = np.array([float(label) for label in labels], np.float32)
        name = path.decode().strip()
        if not labels or not name or not np.isfinite(numbers).all():
            return None
        return Listed(int(float(index)), numbers, name)
    except (ValueError, OverflowError):
        return None
