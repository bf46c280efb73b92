"""A model of tables behind an endpoint: probabilities and labels of classes, or predictions (DG:lightgbm, DG:catboost)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.jumpstart import rows
from sagewright_algorithms.jumpstart.endpoint import Answer
from sagewright_algorithms.jumpstart.labels import Label
from sagewright_algorithms.jumpstart.rows import Rows

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TabularModel:
    """``predict`` gives one value per row for regression (``classes`` is None), else one row of probabilities per row.

    With ``one_column`` a model of two classes answers the probability of the second one only.
    """

    predict_rows: Callable[[Rows], Floats]
    width: int
    categorical: tuple[int, ...] = ()
    classes: Sequence[Label] | None = None
    one_column: bool = False

    def read(self, body: bytes, content_type: str) -> Rows:
        """See endpoint.Model."""
        return rows.read(body, self.width, self.categorical)

    def predict(self, inputs: list[Rows]) -> list[Answer]:
        """See endpoint.Model."""
        found = self.predict_rows(rows.joined(inputs))
        ends = np.cumsum([len(item) for item in inputs])[:-1]
        return [self._answer(part) for part in np.split(found, ends)]

    def _answer(self, found: Floats) -> Answer:
        if self.classes is None:
            return Answer({"prediction": found})
        shown: Any = found[:, 1] if self.one_column and len(self.classes) == 2 else found
        predicted = [self.classes[number] for number in found.argmax(axis=1).tolist()]
        return Answer(
            {"probabilities": np.ascontiguousarray(shown)}, {"labels": list(self.classes), "predicted_label": predicted}
        )
