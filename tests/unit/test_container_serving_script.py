"""A user's inference script: its functions, the framework's defaults, errors and workers (contracts 2.K; K: script-mode serving)."""

from __future__ import annotations

import io
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from support.ml_root import MlRoot

DOUBLE = """
def model_fn(model_dir):
    return 2
def predict_fn(data, model):
    return data * model
"""
WAIT = """
def wait():
    import threading
    threading.Event().wait()
"""
SCRIPT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def test_a_scikit_learn_model_with_model_fn_only(root: MlRoot) -> None:
    model = LinearRegression().fit([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [1.0, 2.0, 3.0])
    root.write(
        "model/code/inference.py", "import joblib\ndef model_fn(model_dir):\n    return joblib.load(model_dir + '/m.joblib')\n"
    )
    joblib.dump(model, root.folder / "model" / "m.joblib")
    with root.serving(**SCRIPT) as served:
        assert json.loads(served.invoke(b"1,1").body) == pytest.approx([3.0])
        assert served.invoke(b"1,1\n0,1\n", Accept="text/csv").body.count(b"\n") == 2
        array = io.BytesIO()
        np.save(array, np.array([[1.0, 1.0], [0.0, 1.0]]))
        answer = served.invoke(array.getvalue(), "application/x-npy", Accept="application/x-npy")
        assert np.load(io.BytesIO(answer.body)) == pytest.approx([3.0, 1.0])
        assert json.loads(served.invoke(b"[[1, 1]]", "application/json").body) == pytest.approx([3.0])


def test_all_four_functions_with_and_without_context(root: MlRoot) -> None:
    """SRC aws/sagemaker-inference-toolkit: functions may take a context last."""
    root.write(
        "model/code/inference.py",
        """
def model_fn(model_dir, context):
    return context.system_properties["model_dir"]
def input_fn(data, content_type):
    return (type(data).__name__, content_type)
def predict_fn(data, model, context):
    name = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", name + "-back")
    return (*data, model)
def output_fn(prediction, accept):
    return "|".join(map(str, prediction)) + "|" + accept, "text/x-mine"
""",
    )
    with root.serving(**SCRIPT) as served:
        answer = served.invoke(b"x", Accept="application/y", X_Amzn_SageMaker_Custom_Attributes="in")
        assert answer.body.decode() == f"str|text/csv|{root.folder}/model|application/y"
        assert answer.headers["Content-Type"] == "text/x-mine"
        assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "in-back"
        assert served.invoke(b"x", "image/png", X_Amzn_SageMaker_Custom_Attributes="in").body.startswith(b"bytes|image/png|")


def test_transform_fn_takes_it_all(root: MlRoot) -> None:
    root.write(
        "model/code/inference.py",
        "def model_fn(model_dir):\n    return 'm'\n"
        "def transform_fn(model, data, content_type, accept):\n    return f'{model} {data} {content_type} {accept}', accept\n",
    )
    with root.serving(**SCRIPT, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/plain") as served:
        assert served.invoke(b"x").body == b"m x text/csv text/plain"


def test_a_script_with_the_imports_of_awss_examples(root: MlRoot) -> None:
    """amazon-sagemaker-examples: scikit-learn scripts import sagemaker_containers, newer ones sagemaker_inference."""
    root.write(
        "model/code/inference.py",
        "from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker\n"
        "from sagemaker_inference import decoder, encoder\n" + DOUBLE + "def output_fn(prediction, accept):\n"
        "    assert encoder.encode([1], 'application/json') == '[1]'\n"
        "    return worker.Response(encoders.encode(prediction, content_types.CSV), mimetype=accept)\n",
    )
    with root.serving(**SCRIPT) as served:
        answer = served.invoke(b"1,2", Accept="text/csv")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"2.0,4.0\n", "text/csv")


def test_an_iterator_is_streamed(root: MlRoot) -> None:
    root.write(
        "model/code/inference.py",
        "def model_fn(model_dir):\n    return 3\n"
        "def transform_fn(model, data, content_type, accept):\n    return (f'token{i} ' for i in range(model)), 'text/plain'\n",
    )
    with root.serving(**SCRIPT) as served:
        answer = served.invoke(b"x")
    assert (answer.headers["Transfer-Encoding"], answer.body) == ("chunked", b"token0 token1 token2 ")


def test_errors_and_their_statuses(root: MlRoot) -> None:
    root.write(
        "model/code/inference.py", DOUBLE.replace("return data * model", "return data * model if data.size > 1 else 1 / 0")
    )
    with root.serving(**SCRIPT) as served:
        broken = served.invoke(b"1")
        assert broken.status == 500
        assert b"ZeroDivisionError: division by zero" in broken.body
        assert "ZeroDivisionError" in served.log()
        assert served.invoke(b"1,2", "application/unknown").status == 415
        assert served.invoke(b"1,2", Accept="application/unknown").status == 406
        assert served.invoke(b"\xff\xfe").status == 400
        assert served.invoke(b"{", "application/json").status == 500
        assert served.call("GET", "/execution-parameters").status == 404
        assert served.invoke(b"1,2").body == b"[[2.0, 4.0]]"


@pytest.mark.parametrize(("level", "seen"), [("", ["INFO"]), ("40", []), ("debug", ["DEBUG", "INFO"])])
def test_what_a_script_logs_is_seen(root: MlRoot, level: str, seen: list[str]) -> None:
    """SAGEMAKER_CONTAINER_LOG_LEVEL; INFO without it."""
    root.write(
        "model/code/inference.py",
        "import logging\ndef model_fn(model_dir):\n    logging.debug('a DEBUG line')\n    logging.info('a INFO line')\n    return 1\n",
    )
    with root.serving(**SCRIPT, SAGEMAKER_CONTAINER_LOG_LEVEL=level) as served:
        assert [line.split()[1] for line in served.log().splitlines() if line.startswith("a ")] == seen


def test_a_pickle_from_the_network_is_not_loaded(root: MlRoot) -> None:
    root.write("model/code/inference.py", DOUBLE)
    payload = io.BytesIO()
    np.save(payload, np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    with root.serving(**SCRIPT) as served:
        assert served.invoke(payload.getvalue(), "application/x-npy").status == 500


def test_the_archive_that_the_server_placed(root: MlRoot) -> None:
    """SDK v2 with an entry point: SAGEMAKER_SUBMIT_DIRECTORY is an s3 URI; the server puts the archive in /opt/ml/code."""
    root.archive("code/sourcedir.tar.gz", serve_py=DOUBLE + "import helper\n", helper_py="")
    with root.serving(SAGEMAKER_PROGRAM="serve.py", SAGEMAKER_SUBMIT_DIRECTORY="s3://bucket/sourcedir.tar.gz") as served:
        assert served.invoke(b"4").body == b"[[8.0]]"


def test_classes_of_the_script_can_be_unpickled(root: MlRoot) -> None:
    root.write(
        "model/code/inference.py",
        "import pickle\nclass Plus:\n    def predict(self, data):\n        return data + 1\n"
        "def model_fn(model_dir):\n    return pickle.loads(pickle.dumps(Plus()))\n",
    )
    with root.serving(**SCRIPT) as served:
        assert served.invoke(b"4").body == b"[[5.0]]"


def test_several_workers_share_the_port_and_are_replaced(root: MlRoot) -> None:
    """SAGEMAKER_MODEL_SERVER_WORKERS."""
    root.write(
        "model/code/inference.py",
        "import os, time\ndef model_fn(model_dir):\n    return None\n"
        "def transform_fn(model, data, content_type, accept):\n    time.sleep(0.2)\n    return str(os.getpid()), 'text/plain'\n",
    )
    with root.serving(**SCRIPT, SAGEMAKER_MODEL_SERVER_WORKERS="2") as served, ThreadPoolExecutor(8) as pool:

        def workers() -> set[int]:
            return {int(answer.body) for answer in pool.map(served.invoke, [b"x"] * 8)}

        first = workers()
        assert len(first) == 2
        assert served.process.pid not in first
        os.kill(min(first), signal.SIGKILL)
        answers = [served.invoke(b"x") for _ in range(4)]
        assert [answer.status for answer in answers].count(500) <= 1
        second = workers()
        assert len(second) == 2
        assert min(first) not in second
        assert max(first) in second
        assert "ended with -9" in served.log()


def test_a_worker_that_takes_too_long_is_replaced(root: MlRoot) -> None:
    """SAGEMAKER_MODEL_SERVER_TIMEOUT: 500, and the next call finds another process."""
    root.write(
        "model/code/inference.py", DOUBLE.replace("return data * model", "return data * model if data < 9 else wait()") + WAIT
    )
    with root.serving(**SCRIPT, SAGEMAKER_MODEL_SERVER_TIMEOUT="2") as served:
        assert json.loads(served.invoke(b"4", "application/json").body) == 8
        late = served.invoke(b"9", "application/json")
        assert (late.status, late.body) == (500, b"the worker process did not answer within 2 seconds")
        assert json.loads(served.invoke(b"3", "application/json").body) == 6


def test_a_worker_streams_through_its_parent(root: MlRoot) -> None:
    root.write(
        "model/code/inference.py",
        "def model_fn(model_dir):\n    return 3\n"
        "def transform_fn(model, data, content_type, accept):\n"
        "    def tokens():\n        for i in range(model):\n            yield f't{i} '\n        if data == 'break': raise ValueError('cut')\n"
        "    return tokens(), 'text/plain'\n",
    )
    with root.serving(**SCRIPT, SAGEMAKER_MODEL_SERVER_WORKERS="2") as served:
        for _ in range(4):
            assert served.invoke(b"x").body == b"t0 t1 t2 "
        with pytest.raises(IncompleteRead):
            served.invoke(b"break")
        assert served.invoke(b"x").body == b"t0 t1 t2 "


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def model_fn(model_dir):\n    raise ValueError('corrupt model')\n", "ValueError: corrupt model"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def predict_fn(data, model):\n    return 1\n", "Please provide a model_fn implementation"),
        (DOUBLE + "def transform_fn(*a):\n    pass\n", "Cannot use transform_fn implementation in conjunction"),
    ],
)
def test_a_model_that_cannot_be_loaded_ends_the_container(root: MlRoot, script: str, reason: str) -> None:
    root.write("model/code/inference.py", script)
    with pytest.raises(AssertionError) as raised, root.serving(**SCRIPT):
        pass
    assert reason in str(raised.value)


def test_workers_that_cannot_load_the_model_end_the_container(root: MlRoot) -> None:
    root.write("model/code/inference.py", "def model_fn(model_dir):\n    raise ValueError('corrupt model')\n")
    with (
        pytest.raises(AssertionError, match="ValueError: corrupt model"),
        root.serving(**SCRIPT, SAGEMAKER_MODEL_SERVER_WORKERS="2"),
    ):
        pass


def test_sigterm_ends_the_server_well(root: MlRoot) -> None:
    root.write("model/code/inference.py", DOUBLE)
    with root.serving(**SCRIPT) as served:
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_model_without_a_script(root: MlRoot) -> None:
    """SRC aws/sagemaker-pytorch-inference-toolkit: the default model_fn loads model.pth."""
    torch = pytest.importorskip("torch")
    (root.folder / "model").mkdir()
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1, 2)), str(root.folder / "model" / "model.pth"))
    with root.serving() as served:
        assert json.loads(served.invoke(b"[[1.5, 2.5]]", "application/json").body) == [[1.5, 2.5]]


def test_a_booster_of_the_xgboost_image(root: MlRoot) -> None:
    """XGBoost framework mode: model_fn returns a Booster, requests are CSV or libsvm."""
    xgboost = pytest.importorskip("xgboost")
    features = np.random.default_rng(0).random((50, 3)).astype("f4")
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(features, features.sum(axis=1)), 3)
    (root.folder / "model").mkdir()
    booster.save_model(root.folder / "model" / "xgboost-model.ubj")
    root.write(
        "model/code/inference.py",
        "import xgboost\ndef model_fn(model_dir):\n    return xgboost.Booster(model_file=model_dir + '/xgboost-model.ubj')\n",
    )
    row = ",".join(map(str, features[0])).encode()
    sparse = " ".join(f"{index}:{value}" for index, value in enumerate(features[0])).encode()
    expected = float(booster.predict(xgboost.DMatrix(features[:1]))[0])
    with root.serving(**SCRIPT, SAGEWRIGHT_ALGORITHM="xgboost") as served:
        assert float(served.invoke(row, Accept="text/csv").body) == pytest.approx(expected)
        assert float(served.invoke(sparse, "text/libsvm", Accept="text/csv").body) == pytest.approx(expected)


def test_an_endpoint_of_the_scripts_own(root: MlRoot) -> None:
    """Ours, for JumpStart's scripts: endpoint_fn answers whole requests, with a status of its own."""
    root.write(
        "model/code/inference.py",
        """
from sagewright_container.serving.message import Response
class Length:
    def __init__(self, folder):
        self.folder = folder
    def invoke(self, requests):
        return [Response(200 if request.body else 400, str(len(request.body)).encode(), "text/x-length") for request in requests]
    def ping(self):
        return Response(200)
    def execution_parameters(self):
        return Response(404)
def endpoint_fn(model_dir):
    return Length(model_dir)
""",
    )
    with root.serving(**SCRIPT) as served:
        answer = served.invoke(b"12345")
        assert (answer.body, answer.headers["Content-Type"]) == (b"5", "text/x-length")
        assert served.invoke(b"").status == 400
