"""The artifact: AutoGluon's predictor folder (``predictor.pkl``, ``learner.pkl``, ``models/`` …) and ``columns.json``.

AutoGluon's own files are pickles: whoever deploys a model trusts whoever made it, as with AWS. The container is the wall.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

COLUMNS = "columns.json"
LABEL = "label"


@dataclass(frozen=True, slots=True)
class Columns:
    """``categorical`` and ``text`` are positions among the features; the others are numbers."""

    width: int
    categorical: list[int]
    text: list[int]


def write(folder: Path, columns: Columns) -> None:
    """Beside what AutoGluon has written."""
    (folder / COLUMNS).write_text(json.dumps(asdict(columns)), encoding="utf-8")


def read(folder: Path) -> Columns:
    """Raises OSError, ValueError, TypeError."""
    return Columns(**json.loads((folder / COLUMNS).read_text(encoding="utf-8")))
