"""InputFilter, JoinSource and OutputFilter of a transform job, record by record (API DataProcessing; features K11, C10).

Rows of CSV are lists of columns, JSON and JSON Lines are documents. Joined, CSV gets the prediction's columns behind its own; a JSON
object gets the member SageMakerOutput, and any other JSON becomes {"SageMakerInput": …, "SageMakerOutput": …}.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sagewright.features.transform.capture import Identification
from sagewright.features.transform.jsonpath import JsonPath, PathError, compile_path
from sagewright.features.transform.records import BadInput

Format = Literal["csv", "json", "jsonlines", "other"]

csv.field_size_limit(100 * 1024 * 1024)  # a payload's most; Python's own limit is 128 kB

_FORMATS: Mapping[str, Format] = {
    "text/csv": "csv",
    "application/json": "json",
    "application/jsonlines": "jsonlines",
    "application/x-jsonlines": "jsonlines",
    "application/x-ndjson": "jsonlines",
}


def format_of(content_type: str | None) -> Format:
    """By the media type; parameters do not matter."""
    return _FORMATS.get((content_type or "").partition(";")[0].strip().lower(), "other")


@dataclass(frozen=True, slots=True)
class Processing:
    """What happens to records on their way to the model and back; ``input`` and ``output`` are the formats on either side."""

    input_filter: JsonPath
    output_filter: JsonPath
    joins: bool
    input: Format
    output: Format
    identification: Identification | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any], identification: Identification | None = None) -> Processing:
        """From a CreateTransformJob request. Raises PathError for a filter that cannot be understood."""
        asked = request.get("DataProcessing", {})
        content_type = request["TransformInput"].get("ContentType")
        accept = request["TransformOutput"].get("Accept")
        return cls(
            compile_path(asked.get("InputFilter", "$")),
            compile_path(asked.get("OutputFilter", "$")),
            asked.get("JoinSource", "None") == "Input",
            format_of(content_type),
            format_of(accept or content_type),
            identification,
        )

    @property
    def idle(self) -> bool:
        """Whether bodies pass as they are."""
        return self.input_filter.whole and self.output_filter.whole and not self.joins and self.identification is None

    def before(self, batch: list[bytes]) -> list[bytes]:
        """The records as the model gets them. Raises BadInput."""
        if self.input_filter.whole:
            return batch
        return [_written(self._select(self.input_filter, _read(record, self.input)), self.input) for record in batch]

    def after(self, batch: list[bytes], answer: bytes, place: str = "") -> bytes:
        """The records as they are stored, from those of the input and the model's answer to them. Raises BadInput.

        ``place`` says which of the job's payloads this is.
        """
        if self.output_filter.whole and not self.joins and self.identification is None:
            return answer
        predictions = _split(answer, self.output, len(batch))
        if self.joins:
            sources = [_read(record, self.input) for record in batch]
            predictions = [self._joined(source, said) for source, said in zip(sources, predictions, strict=True)]
        predictions = [self._select(self.output_filter, prediction) for prediction in predictions]
        if self.identification is not None:
            predictions = self.identification.identified(predictions, place)
        return b"\n".join(_written(prediction, self.output) for prediction in predictions)

    def _joined(self, source: Any, prediction: Any) -> Any:
        if self.input == "csv" and self.output == "csv":
            return [*source, *prediction]
        if isinstance(source, dict):
            return {**source, "SageMakerOutput": prediction}
        return {"SageMakerInput": source, "SageMakerOutput": prediction}

    def _select(self, path: JsonPath, record: Any) -> Any:
        try:
            return path.of(record)
        except PathError as problem:
            raise BadInput(str(problem)) from problem


def check(request: Mapping[str, Any]) -> str:
    """Why a request's data processing cannot be done; empty when it can."""
    try:
        processing = Processing.of(request)
    except PathError as problem:
        return f"DataProcessing: {problem}"
    identifies = bool(request.get("DataCaptureConfig", {}).get("GenerateInferenceId"))
    if processing.idle and not identifies:
        return ""
    if processing.input == "other" and (processing.joins or not processing.input_filter.whole):
        return "DataProcessing needs TransformInput.ContentType text/csv, application/json or application/jsonlines."
    if processing.output == "other":
        what = "DataProcessing" if not processing.idle else "GenerateInferenceId"
        return f"{what} needs TransformOutput.Accept text/csv, application/json or application/jsonlines."
    if processing.joins and (processing.input == "csv") != (processing.output == "csv"):
        return "To join input and output, both must be CSV or both JSON."
    return ""


def _read(record: bytes, shape: Format) -> Any:
    try:
        text = record.decode("utf-8-sig")
        return next(csv.reader(io.StringIO(text)), []) if shape == "csv" else json.loads(text)
    except (ValueError, RecursionError, csv.Error) as problem:
        raise BadInput(f"a record is not valid {shape}") from problem


def _written(value: Any, shape: Format) -> bytes:
    if shape != "csv":
        return json.dumps(value, ensure_ascii=False).encode()
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return text.getvalue().encode()


def _split(answer: bytes, shape: Format, count: int) -> list[Any]:
    """One prediction for each of ``count`` records."""
    if shape == "json" and count == 1:
        return [_read(answer, shape)]
    lines = [line for line in answer.splitlines() if line.strip()]
    if len(lines) == count:
        return [_read(line, shape) for line in lines]
    if len(lines) == 1 and shape != "jsonlines":
        values = _read(lines[0], shape)
        if isinstance(values, dict) and isinstance(values.get("predictions"), list):
            values = values["predictions"]
        if isinstance(values, list) and len(values) == count:
            return [[value] if shape == "csv" else value for value in values]
    raise BadInput(f"the model answered {count} records with {len(lines)} predictions")
