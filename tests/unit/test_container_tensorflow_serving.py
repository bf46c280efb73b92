"""TensorFlow Serving's REST form (contracts 2.K; K: script-mode serving); functions of NumPy stand for a model's signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sagewright_container.serving.message import Request, Response
from sagewright_container.tensorflow_serving.endpoint import TensorFlowEndpoint
from sagewright_container.tensorflow_serving.models import Models
from sagewright_container.tensorflow_serving.rest import Array, RestError, Signature


class Function:
    def __init__(self, inputs: Mapping[str, Any], run: Any) -> None:
        self.inputs = inputs
        self._run = run

    def __call__(self, tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        found: Mapping[str, Array] = self._run(**tensors)
        return found


HALF = Function({"x": np.float32}, lambda x: {"y": x / 2 + 2})
PAIR = Function({"a": np.int64, "b": object}, lambda a, b: {"sum": a.sum(1), "raw": np.array([b"\xff"] * len(a), object)})


class Shelf:
    names = ("half", "pair")

    def signatures(self, name: str, version: str = "") -> Mapping[str, Signature]:
        if name == "half":
            return {"serving_default": HALF}
        if name == "pair":
            return {"both": PAIR}
        raise RestError(404, f"Servable not found for request: Latest({name})")


def ask(body: Any, content_type: str = "application/json", attributes: str = "", script: Any = None) -> Response:
    endpoint = TensorFlowEndpoint(Shelf(), script)  # type: ignore[arg-type]
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    (response,) = endpoint.invoke([Request(data, content_type, "", attributes)])
    return response


def document(response: Response, status: int = 200) -> Any:
    assert isinstance(response.body, bytes)
    assert response.status == status, response.body
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"instances": [[1.0], [2.0]]}, "application/json"),
        ([[1.0], [2.0]], "application/json"),
        (b"[1.0]\n[2.0]\n", "application/jsonlines"),
        (b"[1.0]\n[2.0]\n", "application/json"),
        (b'{"instances": [[1.0], [2.0]]}', "application/jsonlines"),
    ],
)
def test_rows(body: Any, content_type: str) -> None:
    assert document(ask(body, content_type)) == {"predictions": [[2.5], [3.0]]}


def test_columns() -> None:
    assert document(ask({"inputs": [[1.0], [2.0]]})) == {"outputs": [[2.5], [3.0]]}
    assert document(ask({"inputs": {"x": [[1.0]]}})) == {"outputs": [[2.5]]}


def test_named_inputs_signatures_and_bytes() -> None:
    """Custom attributes choose the model; base64 both ways."""
    row = {"a": [1, 2], "b": {"b64": "/w=="}}
    asked = {"signature_name": "both", "instances": [row, row]}
    assert document(ask(asked, attributes="tfs-model-name=pair")) == {"predictions": [{"sum": 3, "raw": {"b64": "/w=="}}] * 2}


@pytest.mark.parametrize(
    ("body", "attributes", "status", "words"),
    [
        (b"{", "", 400, "is not application/json"),
        ({"signature_name": "none", "instances": [1]}, "", 400, "not found in signature def"),
        ({"instances": [1], "inputs": [1]}, "", 400, "not both"),
        ({"instances": [["a"]]}, "", 400, "Failed to process element"),
        ({"instances": [{"z": 1}]}, "", 400, "is no input of the signature"),
        ({"instances": []}, "", 400, "non-empty"),
        ({"instances": [1]}, "tfs-model-name=none", 404, "Servable not found"),
        ({"instances": [1]}, "tfs-method=classify", 400, "only predict"),
    ],
)
def test_errors_are_told_and_the_endpoint_goes_on(body: Any, attributes: str, status: int, words: str) -> None:
    assert words in document(ask(body, attributes=attributes), status)["error"]


def test_a_script_before_and_behind_the_model() -> None:
    script = SimpleNamespace(
        input_handler=lambda data, context: json.dumps({"instances": [[float(data.read())]]}),
        output_handler=lambda answer, context: (
            f"{answer.json()['predictions'][0][0]} {context.request_content_type}",
            "text/plain",
        ),
    )
    response = ask(b"4", "text/x-number", script=script)
    assert (response.status, response.body, response.content_type) == (200, b"4.0 text/x-number", "text/plain")
    whole = ModuleType("inference")
    whole.handler = lambda data, context: (data.read()[::-1], context.accept_header)  # type: ignore[attr-defined]
    assert ask(b"abc", "text/plain", script=whole).body == b"cba"
    broken = SimpleNamespace(input_handler=lambda data, context: 1 / 0)
    assert document(ask(b"1", script=broken), 500) == {"error": "division by zero"}


def test_an_archive_without_a_saved_model_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="no SavedModel bundles found"):
        Models(tmp_path)
