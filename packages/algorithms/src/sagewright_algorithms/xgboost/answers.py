"""Predictions as a response body: CSV, JSON, JSON Lines or RecordIO; plain or as SAGEMAKER_INFERENCE_OUTPUT selects."""

from __future__ import annotations

import csv
import io
import json
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

import orjson

from sagewright_algorithms.recordio import Record, Tensor, encode
from sagewright_algorithms.xgboost.booster import Predictions
from sagewright_algorithms.xgboost.predictor import Traits
from sagewright_algorithms.xgboost.selection import select

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
_EXPONENT = re.compile(rb"e(-?\d+)")
_TINY = re.compile(rb"0\.0000\d+")  # a literal prefix, and no look behind it: that would try at every character
RECORDIO = "application/x-recordio-protobuf"
PLAIN_TYPES = (CSV, JSON)
SELECTED_TYPES = (CSV, JSON, JSON_LINES, RECORDIO)


def plain(predictions: Predictions, accept: str) -> bytes:
    """``accept`` is one of PLAIN_TYPES. CSV is one prediction per line; JSON is {"predictions":[{"score":…}]}."""
    if accept == CSV:
        if predictions.width == 1:
            return _texts(predictions.values, b"\n") + b"\n"
        return "".join(",".join(map(repr, row)) + "\n" for row in _rows(predictions)).encode()
    scores = predictions.values if predictions.width == 1 else _rows(predictions)
    return json.dumps({"predictions": [{"score": score} for score in scores]}).encode()


def joined(predictions: Predictions, separator: str) -> bytes:
    """CSV as the container writes it in batch transform, and its older versions always do: several outputs as a list in brackets."""
    if predictions.width == 1:
        return _texts(predictions.values, separator.encode())
    return separator.join(map(repr, _rows(predictions))).encode()


def selected(predictions: Predictions, accept: str, keys: Sequence[str], traits: Traits) -> bytes:
    """``accept`` is one of SELECTED_TYPES; every key that means nothing for the objective gives NaN."""
    rows = predictions.values if predictions.width == 1 else _rows(predictions)
    documents = [select(keys, traits, row) for row in rows]
    if accept == JSON:
        return json.dumps({"predictions": documents}).encode()
    if accept == JSON_LINES:
        return "".join(json.dumps(document) + "\n" for document in documents).encode()
    return _csv(documents) if accept == CSV else encode(map(_record, documents))


def _texts(values: Sequence[float], separator: bytes) -> bytes:
    """As ``repr`` writes them; orjson does it in a fifth of the time, but has exponents of its own, and null for NaN and infinity."""
    found = orjson.dumps(values)[1:-1]
    if b"n" in found:
        return separator.join(repr(value).encode() for value in values)
    if b"e" in found:
        found = _EXPONENT.sub(lambda match: b"e%+03d" % int(match[1]), found)
    if b"0.0000" in found:  # Python begins with exponents one digit earlier
        found = _TINY.sub(_tiny, found)
    return found if separator == b"," else found.replace(b",", separator)


def _tiny(found: re.Match[bytes]) -> bytes:
    is_whole = not found.string[max(0, found.start() - 1) : found.start()].isdigit()  # else 10.00001, say
    return repr(float(found[0])).encode() if is_whole else found[0]


def _rows(predictions: Predictions) -> Iterator[list[float]]:
    width = predictions.width
    return (predictions.values[start : start + width] for start in range(0, len(predictions.values), width))


def _csv(documents: Sequence[Mapping[str, Any]]) -> bytes:
    """Values in the order of the keys; the writer quotes a list, for it holds commas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for document in documents:
        writer.writerow(["nan" if isinstance(value, float) and isnan(value) else value for value in document.values()])
    return text.getvalue().encode()


def _record(document: Mapping[str, Any]) -> Record:
    def tensor(value: Any) -> Tensor:
        return Tensor(array("f", value if isinstance(value, list) else [value]))

    return Record(label={key: tensor(value) for key, value in document.items()})
