"""Models become ONNX that answers as the original does, and are served by Neo's images (L01, L02)."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
import torch
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from support.ml_root import MlRoot

from sagewright_container.compilation import compile as program
from sagewright_container.serving import compiled, functions
from sagewright_container.serving.handler import UserEndpoint
from sagewright_container.serving.message import Request
from sagewright_container.tensorflow_serving.compiled import Models
from sagewright_container.tensorflow_serving.endpoint import TensorFlowEndpoint

ROWS = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
SUM = ROWS.sum(1)


class Job:
    """The container of a compilation job, in this process."""

    def __init__(self, root: MlRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        (root.folder / "input" / "model").mkdir()
        (root.folder / "model").mkdir()
        monkeypatch.setenv("SAGEWRIGHT_ML_ROOT", str(root.folder))

    @property
    def model(self) -> Path:
        return self.root.folder / "input" / "model"

    def compile(self, framework: str, shapes: Any = None) -> int:
        given = json.dumps(shapes) if shapes else ""
        task = {"Framework": framework, "DataInputConfig": given, "Target": "ml_c5"}
        self.root.write("input/config/compilationjob.json", json.dumps(task))
        return program.main()

    def ask(self, body: Any, content_type: str = "application/json") -> Any:
        endpoint = UserEndpoint(functions.bind(None, compiled.DEFAULTS), self.root.folder / "model")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        (response,) = endpoint.invoke([Request(data, content_type)])
        assert isinstance(response.body, bytes)
        assert response.status == 200, response.body
        return json.loads(response.body)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(MlRoot(tmp_path / "ml"), monkeypatch)


@pytest.mark.parametrize(
    ("parameters", "labels"),
    [
        ({"objective": "binary:logistic"}, SUM > 0),
        ({"objective": "reg:squarederror"}, SUM),
        ({"objective": "multi:softprob", "num_class": 3}, np.digitize(SUM, [-1, 1])),
        ({"objective": "multi:softmax", "num_class": 3}, np.digitize(SUM, [-1, 1])),
    ],
)
def test_xgboost(job: Job, parameters: Mapping[str, Any], labels: Any) -> None:
    booster = xgboost.train(dict(parameters), xgboost.DMatrix(ROWS, labels), 10)
    booster.save_model(job.model / "xgboost-model.json")
    (job.model / "xgboost-model.json").rename(job.model / "xgboost-model")
    assert job.compile("XGBOOST", {"data": [1, 5]}) == 0, job.root.failure()
    text = "\n".join(",".join(map(str, row)) for row in ROWS[:7])
    assert np.allclose(job.ask(text.encode(), "text/csv"), booster.predict(xgboost.DMatrix(ROWS[:7])), atol=1e-4)


@pytest.mark.parametrize("model", [RandomForestClassifier(20, random_state=0), LinearRegression()])
def test_scikit_learn(job: Job, model: Any) -> None:
    model.fit(ROWS, SUM > 0)
    joblib.dump(model, job.model / "model.joblib")
    assert job.compile("SKLEARN") == 0, job.root.failure()
    assert np.allclose(np.ravel(job.ask(ROWS[:7].tolist())), model.predict(ROWS[:7]), atol=1e-4)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_pytorch(job: Job) -> None:
    """Neo takes what torch.jit.trace makes, deprecated or not."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
    torch.jit.trace(network, torch.zeros(1, 5)).save(str(job.model / "model.pth"))
    assert job.compile("PYTORCH", {"input0": [1, 5]}) == 0, job.root.failure()
    with torch.no_grad():
        wanted = network(torch.from_numpy(ROWS[:7])).numpy()
    assert np.allclose(job.ask({"input0": ROWS[:7].tolist()}), wanted, atol=1e-4)


def test_what_was_made_of_tensorflow_s_models_is_served_in_its_form(job: Job) -> None:
    """L02: the image sagemaker-inference-tensorflow answers as TensorFlow Serving does; the model is an ONNX one in its place."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    shapes = (("x", [None, 2]), ("y", [None, 2]), ("doubled", [None, 2]))
    given, found, doubled = (helper.make_tensor_value_info(name, number, shape) for name, shape in shapes)
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Add", ["x", "x"], ["doubled"])]
    graph = helper.make_graph(nodes, "g", [given], [found, doubled])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), job.model / "m.onnx")
    assert job.compile("ONNX") == 0, job.root.failure()
    endpoint = TensorFlowEndpoint(Models(job.root.folder / "model"), None)

    def ask(body: Any) -> Any:
        (response,) = endpoint.invoke([Request(json.dumps(body).encode(), "application/json")])
        assert isinstance(response.body, bytes)
        return response.status, json.loads(response.body)

    assert ask({"instances": [[1, -2]]}) == (200, {"predictions": [{"y": [1.0, 0.0], "doubled": [2.0, -4.0]}]})
    assert ask({"inputs": {"x": [[1, -2]]}}) == (200, {"outputs": {"y": [[1.0, 0.0]], "doubled": [[2.0, -4.0]]}})
    assert ask({"instances": [[1, 2, 3]]})[0] == 400
    assert ask({"instances": [[1, 2]], "signature_name": "other"})[0] == 400


def test_onnx(job: Job) -> None:
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    shape = [("x", number, [None, 5]), ("y", number, [None, 5])]
    given, found = (helper.make_tensor_value_info(*about) for about in shape)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [given], [found])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), job.model / "m.onnx")
    assert job.compile("ONNX") == 0, job.root.failure()
    assert np.allclose(job.ask(ROWS[:3].tolist()), np.maximum(ROWS[:3], 0))


@pytest.mark.parametrize(
    ("framework", "files", "words"),
    [
        ("XGBOOST", {}, "Exactly one file"),
        ("PYTORCH", {"a.pth": b"x", "b.pth": b"x"}, "found 2"),
        ("PYTORCH", {"a.pth": b"x"}, "no TorchScript model"),
        ("ONNX", {"a.onnx": b"x"}, "no ONNX model"),
        ("SKLEARN", {"a.pkl": pickle.dumps([1, 2])}, "no fitted model"),
        ("XGBOOST", {"xgboost-model": b"x"}, "cannot be compiled"),
    ],
)
def test_what_cannot_be_compiled_is_told(job: Job, framework: str, files: Mapping[str, bytes], words: str) -> None:
    for name, content in files.items():
        (job.model / name).write_bytes(content)
    assert job.compile(framework, {"input0": [1, 5]}) == 1
    assert job.root.failure().startswith("ClientError: ")
    assert words in job.root.failure()
