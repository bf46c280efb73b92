"""What a trained model is beside its weights: everything that training and serving have to do alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sagewright_algorithms.forecasting_deepar.frequency import Frequency


@dataclass(frozen=True, slots=True)
class Design:
    """``cardinality`` has one number per category; ``ignores_*``: the fields are there in records, but not for the model.

    ``feature_mean`` and ``feature_deviation`` are those of the user's features, ``scale`` is that of a series about which
    nothing is known, ``log_scale_deviation`` how much the logarithms of scales differ.
    """

    time_freq: str
    context_length: int
    prediction_length: int
    likelihood: str
    num_layers: int
    num_cells: int
    embedding_dimension: int
    lags: tuple[int, ...]
    cardinality: tuple[int, ...]
    ignores_cat: bool
    ignores_dynamic_feat: bool
    feature_mean: tuple[float, ...]
    feature_deviation: tuple[float, ...]
    scale: float
    log_scale_deviation: float

    @property
    def frequency(self) -> Frequency:
        """Of the steps."""
        return Frequency.parse(self.time_freq)

    @property
    def num_dynamic_feat(self) -> int:
        """How many features of the user's own the model takes."""
        return len(self.feature_mean)

    @property
    def input_width(self) -> int:
        """Numbers that the network gets at each step: lags, features of the time, features of the user's, scale, categories."""
        categories = len(self.cardinality) * self.embedding_dimension
        return len(self.lags) + self.frequency.features + self.num_dynamic_feat + 1 + categories

    def document(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)

    @classmethod
    def of_document(cls, document: Any) -> Design:
        """Raises ValueError when the document is not a design's."""
        if not isinstance(document, Mapping):
            raise ValueError("the description of the model is not an object")
        try:
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
            }
            design = cls(**given)
            if design.input_width <= len(design.lags) or min(design.lags) < 1 or design.prediction_length < 1:
                raise ValueError("its numbers do not fit together")
        except (TypeError, ValueError) as error:
            raise ValueError(f"the description of the model cannot be read: {error}") from error
        return design
