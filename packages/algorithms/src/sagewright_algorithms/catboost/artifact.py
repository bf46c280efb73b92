"""The artifact: ``model`` in CatBoost's own format (DG:catboost), ``model.json`` with what the endpoint must know of the data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sagewright_algorithms.jumpstart.labels import Label

MODEL, FACTS = "model", "model.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """``classes`` is None for regression; ``categorical``: positions of the columns that hold categories."""

    width: int
    classes: list[Label] | None
    categorical: tuple[int, ...]


def write(folder: Path, model: Any, facts: Facts) -> None:
    """``model`` is CatBoost's. The same training makes the same bytes: the library's random id and date are left out."""
    metadata = model.get_metadata()
    for name in ("model_guid", "train_finish_time"):
        del metadata[name]
    model.save_model(str(folder / MODEL))
    (folder / FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")


def read(folder: Path) -> Facts:
    """Raises OSError, ValueError, KeyError."""
    document = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return Facts(int(document["width"]), document["classes"], tuple(document["categorical"]))
