"""The LightGBM endpoint of JumpStart: probabilities of the classes, or predictions (DG:lightgbm)."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt

from sagewright_algorithms.jumpstart.endpoint import JumpStartEndpoint
from sagewright_algorithms.jumpstart.rows import Rows
from sagewright_algorithms.jumpstart.tabular import TabularModel
from sagewright_algorithms.lightgbm import artifact, encoding
from sagewright_algorithms.lightgbm.artifact import Facts
from sagewright_algorithms.manifest import load as load_manifest


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises OSError, ValueError, KeyError when there is no model that this algorithm trained."""
    facts = artifact.read(folder)
    booster = lightgbm.Booster(model_file=folder / artifact.TEXT)
    model = TabularModel(_Predictor(booster, facts), facts.width, tuple(facts.vocabularies), facts.classes, one_column=True)
    return JumpStartEndpoint(model, load_manifest("lightgbm").inference)


class _Predictor:
    def __init__(self, booster: lightgbm.Booster, facts: Facts) -> None:
        self._booster = booster
        self._facts = facts

    def __call__(self, rows: Rows) -> npt.NDArray[np.float64]:
        found = np.asarray(self._booster.predict(encoding.rows(rows, self._facts.vocabularies), num_threads=1))
        if self._facts.classes is not None and found.ndim == 1:
            return np.column_stack([1 - found, found])
        return found
