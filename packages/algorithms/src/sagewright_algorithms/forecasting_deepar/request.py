"""Requests for forecasts: JSON with a configuration, or JSON Lines (DG:deepar-in-formats)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from sagewright_algorithms.common.requests import JSON, JSON_LINES, UnreadablePayloadError
from sagewright_algorithms.forecasting_deepar import fields
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.series import MalformedSeriesError, Series
from sagewright_algorithms.forecasting_deepar.series_files import parse_lines

_OUTPUT_TYPES = ("quantiles", "samples", "mean")
_MOST_SAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Configuration:
    """``quantiles`` are as the answer names them."""

    num_samples: int = 100
    output_types: tuple[str, ...] = ("mean", "quantiles")
    quantiles: tuple[str, ...] = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9")

    @property
    def levels(self) -> list[float]:
        """The quantiles as numbers."""
        return [float(quantile) for quantile in self.quantiles]

    def changed(self, document: Any) -> Configuration:
        """With the members that the document has. Raises UnreadablePayloadError."""
        if not isinstance(document, Mapping):
            raise UnreadablePayloadError("configuration is not an object")
        readers = {"num_samples": _num_samples, "output_types": _output_types, "quantiles": _quantiles}
        given: dict[str, Any] = {name: read(document[name]) for name, read in readers.items() if name in document}
        return replace(self, **given)


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """``lines``: the answer is to be JSON Lines."""

    series: list[Series]
    configuration: Configuration
    lines: bool

    def __len__(self) -> int:
        return len(self.series)


def read(body: bytes, content_type: str, design: Design, default: Configuration) -> ForecastRequest:
    """``content_type`` "" is whichever it looks like. Raises UnreadablePayloadError."""
    try:
        document = None if content_type == JSON_LINES else _json(body, content_type)
        if isinstance(document, Mapping) and "instances" in document:
            configuration = default.changed(document.get("configuration") or {})
            return ForecastRequest(_series(document["instances"], design), configuration, lines=False)
        if content_type == JSON and not (isinstance(document, Mapping) and "target" in document):
            raise UnreadablePayloadError(
                'JSON needs the form {"instances": [{"start": "...", "target": [...]}], "configuration": {...}}'
            )
        return ForecastRequest(_series(list(parse_lines(body)), design), default, lines=True)
    except ValueError as error:  # orjson's and Series'
        raise UnreadablePayloadError(str(error)) from error


def _json(body: bytes, content_type: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if content_type == JSON:
            raise
        return None


def _series(records: Any, design: Design) -> list[Series]:
    if not isinstance(records, list):
        raise UnreadablePayloadError("instances is not an array")
    found = []
    for number, record in enumerate(records):
        try:
            series = Series.of_record(record)
            fields.check(design, series, future=design.prediction_length)
        except MalformedSeriesError as error:
            raise UnreadablePayloadError(f"instance {number}: {error}") from error
        found.append(series.open_end(design.prediction_length))
    return found


def _num_samples(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_SAMPLES:
        raise UnreadablePayloadError(f"num_samples is not a whole number from 1 to {_MOST_SAMPLES}")
    return value


def _output_types(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(item not in _OUTPUT_TYPES for item in value):
        raise UnreadablePayloadError(f"output_types is not an array of {', '.join(_OUTPUT_TYPES)}")
    return tuple(value)


def _quantiles(value: Any) -> tuple[str, ...]:
    found = [str(item) for item in value] if isinstance(value, list) else []
    try:
        inside = [0 <= float(item) <= 1 for item in found]
    except ValueError:
        inside = []
    if not inside or not all(inside):
        raise UnreadablePayloadError("quantiles is not an array of numbers between 0 and 1")
    return tuple(found)
