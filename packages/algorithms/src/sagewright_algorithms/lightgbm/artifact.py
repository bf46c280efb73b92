"""The artifact: ``model.pkl`` for the user (joblib, DG:lightgbm), ``model.txt`` and ``model.json`` for the endpoint.

The endpoint reads nothing that runs code when it is read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib

from sagewright_algorithms.jumpstart.labels import Label

PICKLE, TEXT, FACTS = "model.pkl", "model.txt", "model.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """``classes`` is None for regression; ``vocabularies``: by position of the categorical column, the code of each category."""

    width: int
    classes: list[Label] | None
    vocabularies: dict[int, dict[str, int]]


def write(folder: Path, booster: Any, facts: Facts) -> None:
    """``booster`` is LightGBM's, its best iteration known."""
    joblib.dump(booster, folder / PICKLE)
    booster.save_model(folder / TEXT)
    (folder / FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")


def read(folder: Path) -> Facts:
    """Raises OSError, ValueError, KeyError."""
    document = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    vocabularies = {int(position): codes for position, codes in document["vocabularies"].items()}
    return Facts(int(document["width"]), document["classes"], vocabularies)
