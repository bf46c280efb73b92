"""The file of the artifact that holds the model: ``model_algo-1``, or the only ``model_*`` of a model brought along."""

from __future__ import annotations

from pathlib import Path


def find(folder: Path) -> Path:
    """Raises ValueError when there is none, or more than one to choose from."""
    usual = folder / "model_algo-1"
    if usual.is_file():
        return usual
    found = sorted(path for path in folder.glob("model_*") if path.is_file())
    if len(found) != 1:
        raise ValueError(f"no model_algo-1 in the artifact, which holds {sorted(path.name for path in folder.iterdir())}")
    return found[0]
