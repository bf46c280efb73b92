"""What the container makes of a request without a script: JSON in its several shapes, JSON lines and CSV → the body of a REST call."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from sagewright_container.tensorflow_serving.rest import RestError

JSON, CSV = "application/json", "text/csv"
_JSONS = (JSON, "application/jsonlines", "application/jsons")
_OF_SERVING = re.compile(rb'"(instances|inputs|examples)"\s*:')
_SEVERAL = re.compile(rb"[}\]]\s*[\[{]")  # documents with nothing but white space between them
_NUMBER = re.compile(r'\s*("|[\d.Ee+-])')


def document(body: bytes, kind: str) -> bytes:
    """``kind`` is the media type. Raises RestError."""
    try:
        if kind in _JSONS:
            return _json(body)
        if kind == CSV:
            return _csv(body.decode())
    except (ValueError, RecursionError) as error:
        raise RestError(400, f"the request is not {kind}: {error}") from error
    raise RestError(415, f"Unsupported Media Type: {kind or 'Unknown'}")


def _json(body: bytes) -> bytes:
    """TensorFlow Serving's own form; documents, one per line, are rows; so are the lists of a list; anything else is one row."""
    if _OF_SERVING.search(body):
        return body
    if _SEVERAL.search(body):
        return _rows([json.loads(line) for line in body.decode().splitlines() if line.strip()])
    found = json.loads(body)
    return _rows(found if isinstance(found, list) and found and isinstance(found[0], list) else [found])


def _csv(text: str) -> bytes:
    """A line of one column is a value, of several a list. They are numbers where the first is one, else text."""
    lines = [row for row in csv.reader(io.StringIO(text)) if row]
    numbers = _NUMBER.match(text) is not None
    values = [[_cell(cell) if numbers else cell for cell in row] for row in lines]
    return _rows([row if len(row) > 1 else row[0] for row in values])


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _rows(rows: list[Any]) -> bytes:
    return json.dumps({"instances": rows}).encode()
