"""The CatBoost endpoint of JumpStart: probabilities of the classes, or predictions (DG:catboost)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import numpy.typing as npt

from sagewright_algorithms.catboost import artifact
from sagewright_algorithms.catboost.artifact import Facts
from sagewright_algorithms.jumpstart.endpoint import JumpStartEndpoint
from sagewright_algorithms.jumpstart.rows import Rows
from sagewright_algorithms.jumpstart.tabular import TabularModel
from sagewright_algorithms.manifest import load as load_manifest


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises OSError, ValueError, KeyError when there is no model that this algorithm trained."""
    facts = artifact.read(folder)
    library = catboost.CatBoostClassifier() if facts.classes is not None else catboost.CatBoostRegressor()
    library.load_model(str(folder / artifact.MODEL))
    model = TabularModel(_Predictor(library, facts), facts.width, facts.categorical, facts.classes, one_column=True)
    return JumpStartEndpoint(model, load_manifest("catboost").inference)


class _Predictor:
    def __init__(self, model: Any, facts: Facts) -> None:
        self._model = model
        self._facts = facts

    def __call__(self, rows: Rows) -> npt.NDArray[np.float64]:
        table: npt.NDArray[Any] = rows.numbers
        if rows.categories:
            table = table.astype(object)
            for position, names in rows.categories.items():
                table[:, position] = names
        kind = "RawFormulaVal" if self._facts.classes is None else "Probability"
        found: npt.NDArray[np.float64] = self._model.predict(table, prediction_type=kind, thread_count=1)
        return found
