"""TensorFlow Serving's REST form (contracts 2.K; K: script-mode serving); functions of NumPy stand for a model's signatures."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sagewright_container.serving.message import Request, Response
from sagewright_container.tensorflow_serving.document import document as translated
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
    endpoint = TensorFlowEndpoint(Shelf(), script)
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


@pytest.mark.parametrize(
    ("body", "content_type", "rows"),
    [
        (b"[1, 2, 3]", "application/json", [[1, 2, 3]]),
        (b"[[1, 2], [3, 4]]", "application/json", [[1, 2], [3, 4]]),
        (b'{"x": 1}', "application/json", [{"x": 1}]),
        (b"[1, 2]\n[3, 4]\n", "application/jsonlines", [[1, 2], [3, 4]]),
        (b"[1, 2]", "application/jsons", [[1, 2]]),
        (b"1\n2\n", "text/csv", [1, 2]),
        (b"1,2\n3,4\n", "text/csv", [[1, 2], [3, 4]]),
        (b"abc\nd\n", "text/csv", ["abc", "d"]),
        (b'1,"a,b"\n', "text/csv", [[1, "a,b"]]),
    ],
)
def test_requests_in_other_forms_become_rows(body: bytes, content_type: str, rows: Any) -> None:
    """What the container of AWS makes of them before it asks TensorFlow Serving."""
    assert json.loads(translated(body, content_type)) == {"instances": rows}


@pytest.mark.parametrize(("content_type", "status"), [("text/plain", 415), ("text/csv; charset=utf-8", 400)])
def test_what_is_not_understood(content_type: str, status: int) -> None:
    assert "error" in document(ask(b"\xff\xfe", content_type), status)


def test_a_script_asks_the_models_itself() -> None:
    """context.rest_uri: TensorFlow Serving's own address, also for another model and for what goes wrong."""

    def handler(data: Any, context: Any) -> tuple[str, str]:
        found = []
        for address in (context.rest_uri, context.rest_uri.replace("half", "none"), context.rest_uri.replace("predict", "x/y")):
            request = urllib.request.Request(address, data.getvalue(), {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request) as answer:
                    found.append([answer.status, json.loads(answer.read())])
            except urllib.error.HTTPError as error:
                with error:
                    found.append([error.code, "error" in json.loads(error.read())])
        return json.dumps(found), "application/json"

    response = ask({"instances": [1.0]}, script=SimpleNamespace(handler=handler))
    assert document(response) == [[200, {"predictions": [2.5]}], [404, True], [404, True]]


def test_json_lines_are_answered_where_they_are_asked_for() -> None:
    endpoint = TensorFlowEndpoint(Shelf(), None)
    body = json.dumps({"instances": [1.0]}).encode()
    (response,) = endpoint.invoke([Request(body, "application/json", "application/jsonlines")])
    assert (response.content_type, response.body) == ("application/jsonlines", b'{"predictions": [2.5]}')


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
