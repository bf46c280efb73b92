"""Requests and answers of TensorFlow Serving's RESTful API: rows (``instances``) or columns (``inputs``) to arrays and back.

(https://www.tensorflow.org/tfx/serving/api_rest)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
DEFAULT_SIGNATURE = "serving_default"


class RestError(Exception):
    """``status`` and the text of an answer's ``error``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Signature(Protocol):
    """One function of a model."""

    inputs: Mapping[str, npt.DTypeLike]
    """Names and types."""

    def __call__(self, tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        """Raises ValueError, TypeError, and what TensorFlow raises."""


def predict(signatures: Mapping[str, Signature], body: bytes) -> bytes:
    """The answer's document. Raises RestError."""
    document = _parse(body)
    name = document.get("signature_name") or DEFAULT_SIGNATURE
    signature = signatures.get(name)
    if signature is None:
        raise RestError(400, f"Serving signature name: {json.dumps(name)} not found in signature def")
    rows = "instances" in document
    if rows == ("inputs" in document):
        raise RestError(400, "JSON Value: must contain 'instances' or 'inputs', and not both")
    tensors = _of_rows(document["instances"], signature) if rows else _of_columns(document["inputs"], signature)
    try:
        outputs = {output: np.asarray(value) for output, value in signature(tensors).items()}
    except Exception as error:
        raise RestError(400, str(error)) from error
    found: dict[str, Any] = {"predictions": _rows(outputs)} if rows else {"outputs": _columns(outputs)}
    return json.dumps(found).encode()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RestError(400, f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise RestError(400, "JSON Value: is not an object")
    return document


def _of_rows(rows: Any, signature: Signature) -> dict[str, Array]:
    if not isinstance(rows, list) or not rows:
        raise RestError(400, "Invalid value for 'instances': a non-empty list is needed")
    named = isinstance(rows[0], dict) and not _is_bytes(rows[0])
    if not named:
        return {_only(signature): _array(rows, signature, _only(signature))}
    if any(not isinstance(row, dict) or row.keys() != rows[0].keys() for row in rows):
        raise RestError(400, "Expecting the same named inputs in each of the instances")
    return {name: _array([row[name] for row in rows], signature, name) for name in rows[0]}


def _of_columns(columns: Any, signature: Signature) -> dict[str, Array]:
    if isinstance(columns, dict) and not _is_bytes(columns):
        return {name: _array(value, signature, name) for name, value in columns.items()}
    return {_only(signature): _array(columns, signature, _only(signature))}


def _only(signature: Signature) -> str:
    names = list(signature.inputs)
    if len(names) != 1:
        raise RestError(400, f"Failed to get input map: the signature has the inputs {', '.join(names)}; name them")
    return names[0]


def _array(value: Any, signature: Signature, name: str) -> Array:
    if name not in signature.inputs:
        raise RestError(
            400, f"Failed to process element: {name} is no input of the signature; it has {', '.join(signature.inputs)}"
        )
    try:
        return np.array(_decoded(value), dtype=signature.inputs[name])
    except (ValueError, TypeError, OverflowError) as error:
        raise RestError(400, f"Failed to process element of '{name}': {error}") from error


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _decoded(value: Any) -> Any:
    """Raises ValueError for what is no base64."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return base64.b64decode(value["b64"], validate=True) if _is_bytes(value) else value


def _rows(outputs: Mapping[str, Array]) -> list[Any]:
    sizes = {value.shape[0] if value.ndim else 0 for value in outputs.values()}
    if len(sizes) != 1 or 0 in {value.ndim for value in outputs.values()}:
        raise RestError(400, "Tensor name: outputs have no common batch dimension; ask in columns ('inputs')")
    plain = {name: _plain(value) for name, value in outputs.items()}
    if len(plain) == 1:
        return list(next(iter(plain.values())))
    return [{name: values[row] for name, values in plain.items()} for row in range(sizes.pop())]


def _columns(outputs: Mapping[str, Array]) -> Any:
    plain = {name: _plain(value) for name, value in outputs.items()}
    return next(iter(plain.values())) if len(plain) == 1 else plain


def _plain(value: Array) -> Any:
    return _encoded(value.tolist()) if value.dtype.kind in "OSU" else value.tolist()


def _encoded(value: Any) -> Any:
    """Bytes that are no text are told in base64."""
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
