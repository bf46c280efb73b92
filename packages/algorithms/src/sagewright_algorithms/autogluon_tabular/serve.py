"""The AutoGluon-Tabular endpoint of JumpStart: probabilities of the classes, or predictions (DG:autogluon-tabular)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor

from sagewright_algorithms.autogluon_tabular import artifact
from sagewright_algorithms.autogluon_tabular.artifact import Columns
from sagewright_algorithms.jumpstart.endpoint import Answer, JumpStartEndpoint, UnreadableInputError
from sagewright_algorithms.jumpstart.rows import category
from sagewright_algorithms.manifest import load as load_manifest


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises what the library raises when there is no model that this algorithm trained."""
    columns = artifact.read(folder)
    predictor = TabularPredictor.load(str(folder), verbosity=0)
    predictor.persist()  # or every request would load the models anew
    return JumpStartEndpoint(_Ensemble(predictor, columns), load_manifest("autogluon-tabular").inference)


class _Ensemble:
    def __init__(self, predictor: TabularPredictor, columns: Columns) -> None:
        self._predictor = predictor
        self._columns = columns
        self._strings = dict.fromkeys((*columns.categorical, *columns.text), str)
        labels = [] if predictor.problem_type == "regression" else predictor.class_labels
        self._labels = [label.item() if isinstance(label, np.generic) else label for label in labels]

    def read(self, body: bytes, content_type: str) -> Any:
        """A DataFrame like the training rows. Raises UnreadableInputError."""
        try:
            table = pd.read_csv(
                io.BytesIO(body), header=None, skipinitialspace=True, dtype=self._strings, low_memory=False, index_col=False
            )
        except (ValueError, OverflowError, IndexError) as error:  # pandas' own errors are ValueErrors
            raise UnreadableInputError(f"The payload is not CSV: {error}") from error
        if table.shape[1] != self._columns.width:
            given, wanted = table.shape[1], self._columns.width
            raise UnreadableInputError(f"The rows have {given} columns; the model was trained on {wanted} features")
        return pd.DataFrame({f"feature_{position}": self._typed(position, table[position]) for position in table.columns})

    def predict(self, inputs: list[Any]) -> list[Answer]:
        """See endpoint.Model."""
        rows = pd.concat(inputs, ignore_index=True)
        ends = np.cumsum([len(item) for item in inputs])[:-1]
        if not self._labels:
            return [Answer({"prediction": part}) for part in np.split(self._predictor.predict(rows).to_numpy(float), ends)]
        found = self._predictor.predict_proba(rows, as_multiclass=True).to_numpy(float)
        return [self._answer(part) for part in np.split(found, ends)]

    def _answer(self, probabilities: Any) -> Answer:
        predicted = [self._labels[number] for number in probabilities.argmax(axis=1)]
        document = {"probabilities": np.ascontiguousarray(probabilities)}
        return Answer(document, {"labels": self._labels, "predicted_label": predicted})

    def _typed(self, position: int, column: Any) -> Any:
        if position in self._columns.categorical:
            return column.fillna("").astype(str).map(category).astype("category")
        if position in self._columns.text:
            return column.astype(object)
        if column.dtype.kind not in "biuf":
            sample = next(value for value in column if isinstance(value, str))
            raise UnreadableInputError(f"Column {position + 1} holds {sample!r}, which is not a number")
        return column.astype(np.float64)
