"""The XGBoost endpoint: formats, batches, ensembles, statuses (H03; algorithms.md 6.2, Inference)."""

from __future__ import annotations

import csv
import io
import json
import math
import pickle
import random
import socket
import struct
import subprocess
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.ml_root import MlRoot

from sagewright_algorithms.recordio import Record, Tensor, decode, encode
from sagewright_algorithms.xgboost import answers
from sagewright_algorithms.xgboost.booster import Booster, Predictions
from sagewright_algorithms.xgboost.matrix import Matrix
from sagewright_algorithms.xgboost.model_file import ModelError, load, load_models
from sagewright_algorithms.xgboost.predictor import Predictor
from sagewright_algorithms.xgboost.serve import XgboostEndpoint
from sagewright_container.serving.frames import pack, unpack
from sagewright_container.serving.message import Request, Response

ROWS = np.random.default_rng(3).random((200, 5)).astype("f4")
Floats = npt.NDArray[np.float32]


def trained(objective: str, labels: Floats, rounds: int = 8, **parameters: str) -> Booster:
    matrix = Matrix.from_dense(ROWS)
    matrix.set_info("label", labels.astype("f4"))
    booster = Booster([matrix])
    for name, value in {"objective": objective, "max_depth": "3", **parameters}.items():
        booster.set_parameter(name, value)
    for round_ in range(rounds):
        booster.update(matrix, round_)
    return booster


BINARY = (ROWS.sum(axis=1) > 2.5).astype("f4")
CLASSES = np.digitize(ROWS[:, 0], [0.3, 0.6]).astype("f4")


def endpoint(booster: Booster, *more: Booster, selection: str = "") -> XgboostEndpoint:
    return XgboostEndpoint(Predictor([booster, *more]), selection)


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


@pytest.fixture
def logistic() -> XgboostEndpoint:
    return endpoint(trained("binary:logistic", BINARY))


def expected(booster: Booster, rows: Floats = ROWS) -> list[float]:
    return booster.predict(Matrix.from_dense(np.ascontiguousarray(rows))).values


def row(values: Sequence[float]) -> bytes:
    return ",".join(repr(float(value)) for value in values).encode()


def ask(server: XgboostEndpoint, body: bytes, content_type: str = "text/csv", accept: str = "") -> Response:
    (response,) = server.invoke([Request(body, content_type, accept)])
    return response


def text(response: Response) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode()


def test_csv_in_and_out() -> None:
    """One prediction per line, trailing newline; default Accept text/csv."""
    booster = trained("binary:logistic", BINARY)
    response = ask(endpoint(booster), b"\n".join(row(values) for values in ROWS[:7]) + b"\n")
    assert (response.status, response.content_type) == (200, "text/csv; charset=utf-8")
    assert text(response).endswith("\n")
    assert [float(line) for line in text(response).splitlines()] == expected(booster)[:7]


def test_json_out(logistic: XgboostEndpoint) -> None:
    response = ask(logistic, row(ROWS[0]), accept="application/json")
    (prediction,) = json.loads(text(response))["predictions"]
    assert list(prediction) == ["score"]
    assert prediction["score"] == float(text(ask(logistic, row(ROWS[0]))))


@pytest.mark.parametrize(
    "body",
    [
        b"0.5,0.25,0.75,1,2",
        b"0.5,0.25,0.75,1,2\r\n",
        b"0.5;0.25;0.75;1;2",
        b"0.5\t0.25\t0.75\t1\t2",
        b'"0.5","0.25","0.75","1","2"',
        b".5, 0.25 ,7.5e-1,+1,2.",
        b"\xef\xbb\xbf0.5,0.25,0.75,1,2\n",
    ],
)
def test_ways_to_write_a_row(logistic: XgboostEndpoint, body: bytes) -> None:
    assert text(ask(logistic, body)) == text(ask(logistic, row([0.5, 0.25, 0.75, 1, 2])))


def test_missing_values_take_the_default_branch() -> None:
    holes = ROWS.copy()
    holes[::2, 1] = np.nan
    matrix = Matrix.from_dense(holes)
    matrix.set_info("label", BINARY)
    booster = Booster([matrix])
    for round_ in range(5):
        booster.update(matrix, round_)
    cells = [",".join("" if math.isnan(cell) else repr(float(cell)) for cell in values) for values in holes[:4]]
    found = [float(line) for line in text(ask(endpoint(booster), "\n".join(cells).encode())).splitlines()]
    assert found == expected(booster, holes)[:4]
    sparse = [
        " ".join(f"{at}:{float(cell)!r}" for at, cell in enumerate(values) if not math.isnan(cell)) for values in holes[:4]
    ]
    assert [
        float(line) for line in text(ask(endpoint(booster), "\n".join(sparse).encode(), "text/libsvm")).splitlines()
    ] == found
    labelled = "\n".join(f"1 {line}" for line in sparse).encode()
    assert text(ask(endpoint(booster), labelled, "text/x-libsvm")).splitlines() == [repr(value) for value in found]


def test_recordio_in() -> None:
    booster = trained("reg:squarederror", ROWS[:, 0])
    dense = encode([Record({"values": Tensor(array("f", values))}) for values in ROWS[:3].tolist()])
    found = text(ask(endpoint(booster), dense, "application/x-recordio-protobuf"))
    assert [float(line) for line in found.splitlines()] == expected(booster)[:3]
    keys = array("I", range(5))
    sparse = encode([Record({"values": Tensor(array("f", values), keys, (5,))}) for values in ROWS[:3].tolist()])
    assert text(ask(endpoint(booster), sparse, "application/x-recordio-protobuf")) == found


def test_a_batch_answers_each_as_if_alone(logistic: XgboostEndpoint) -> None:
    """Frames: everything that has arrived is predicted as one batch; errors stay with their request."""
    requests = [
        Request(row(ROWS[0]), "text/csv"),
        Request(b"1,2", "text/csv"),
        Request(b"\n".join(row(values) for values in ROWS[1:4]), "text/csv", "application/json", "trace"),
        Request(b"x,y", "text/csv"),
        Request(b"0:1 4:2", "text/libsvm"),
        Request(row(ROWS[5]), "image/png"),
        Request(row(ROWS[6]), "text/csv", "text/csv"),
        Request(b"", "text/csv"),
        Request(row(ROWS[7]), "text/csv", "text/html"),
    ]
    together = logistic.invoke(requests)
    alone = [logistic.invoke([request])[0] for request in requests]
    assert [response.status for response in together] == [200, 400, 200, 415, 200, 415, 200, 204, 406]
    assert together == alone
    assert together[2].custom_attributes == "trace"


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "message"),
    [
        (
            b"1,2",
            "text/csv",
            "",
            400,
            "Unable to evaluate payload provided: Feature size of csv inference data 2 is not consistent with",
        ),
        (
            b"0:1 9:1",
            "text/libsvm",
            "",
            400,
            "Unable to evaluate payload provided: Feature size of libsvm inference data 10 is larger",
        ),
        (b"1,2\n1,2,3", "text/csv", "", 415, "Loading csv data failed with Exception, please ensure data is in csv format:"),
        (b"a:b", "text/libsvm", "", 415, "Loading libsvm data failed with Exception"),
        (b"0:1 junk", "text/libsvm", "", 415, "Loading libsvm data failed with Exception"),
        (b"0:1 99999999999:1", "text/libsvm", "", 415, "Loading libsvm data failed with Exception"),
        (b"junk", "application/x-recordio-protobuf", "", 415, "Loading recordio-protobuf data failed with Exception"),
        (b"\xff\xfe", "text/csv", "", 415, "Loading csv data failed with Exception"),
        (b"[[1,2,3,4,5]]", "text/csv", "", 415, "Loading csv data failed with Exception"),
        (b'"' + b"1" * 200_000 + b'",2,3,4,5', "text/csv", "", 415, "Loading csv data failed with Exception"),
        (b"1,2,true,4,5", "text/csv", "", 415, "Loading csv data failed with Exception"),
        (b"{}", "application/json", "", 415, "Content type application/json is not supported."),
        (b"1,2,3,4,5", "text/csv", "application/jsonlines", 406, "Accept type application/jsonlines is not supported."),
    ],
)
def test_statuses(logistic: XgboostEndpoint, body: bytes, content_type: str, accept: str, status: int, message: str) -> None:
    response = ask(logistic, body, content_type, accept)
    assert response.status == status
    assert text(response).startswith(message)


def test_features_that_count_from_one_and_a_last_one_left_out() -> None:
    """Rules of AWS's container: CSV may lack the last column, libsvm may count from 1."""
    booster = trained("reg:squarederror", ROWS[:, 0])
    server = endpoint(booster)
    ones = b" ".join(b"%d:%r" % (at + 1, float(value)) for at, value in enumerate(ROWS[0]))
    assert float(text(ask(server, ones, "text/libsvm"))) == expected(booster)[0]
    short = ROWS[:1].copy()
    short[0, 4] = np.nan
    assert float(text(ask(server, row(ROWS[0][:4])))) == expected(booster, short)[0]


def test_a_request_without_content_type_is_told_by_its_looks(logistic: XgboostEndpoint) -> None:
    assert ask(logistic, row(ROWS[0]), "").status == 200
    assert ask(logistic, b"0:0.5 1:0.25", "application/octet-stream").status == 200


def test_several_probabilities_per_row() -> None:
    booster = trained("multi:softprob", CLASSES, num_class="3")
    server = endpoint(booster)
    lines = text(ask(server, b"\n".join(row(values) for values in ROWS[:4]))).splitlines()
    assert np.array([[float(cell) for cell in line.split(",")] for line in lines]).shape == (4, 3)
    scores = json.loads(text(ask(server, row(ROWS[0]), accept="application/json")))["predictions"][0]["score"]
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    both = server.invoke([Request(row(ROWS[0]), "text/csv"), Request(row(ROWS[1]), "text/csv")])
    assert [text(response) for response in both] == [line + "\n" for line in lines[:2]]


SELECTED = "predicted_label,labels,probability,probabilities,raw_score,raw_scores,predicted_score"


@pytest.mark.parametrize(
    "objective", ["binary:logistic", "binary:logitraw", "multi:softprob", "multi:softmax", "reg:squarederror"]
)
def test_selected_outputs(objective: str) -> None:
    """SAGEMAKER_INFERENCE_OUTPUT: keys that mean nothing for the objective are NaN."""
    multi = {"num_class": "3"} if objective.startswith("multi") else {}
    server = endpoint(trained(objective, CLASSES if multi else BINARY, **multi), selection=SELECTED)
    raw = expected(trained(objective, CLASSES if multi else BINARY, **multi))
    (found,) = json.loads(text(ask(server, row(ROWS[0]), accept="application/json")))["predictions"]
    assert list(found) == SELECTED.split(",")
    invalid = {key for key, value in found.items() if isinstance(value, float) and math.isnan(value)}
    if objective == "binary:logistic":
        assert found["predicted_label"] == int(raw[0] > 0.5)
        assert found["labels"] == [0, 1]
        assert found["probability"] == max(raw[0], 1 - raw[0])
        assert found["probabilities"] == [1 - raw[0], raw[0]]
        assert (found["raw_score"], invalid) == (raw[0], {"predicted_score"})
    elif objective == "multi:softprob":
        assert found["probabilities"] == found["raw_scores"] == raw[:3]
        assert (found["predicted_label"], found["labels"]) == (int(np.argmax(raw[:3])), [0, 1, 2])
        assert (found["probability"], found["raw_score"], invalid) == (max(raw[:3]), max(raw[:3]), {"predicted_score"})
    elif objective == "reg:squarederror":
        assert found["predicted_score"] == raw[0]
        assert len(invalid) == 6
    else:
        assert {"probability", "probabilities", "predicted_score"} <= invalid
        assert found["predicted_label"] == (int(raw[0] > 0) if objective == "binary:logitraw" else int(raw[0]))


def test_selected_outputs_in_every_format() -> None:
    server = endpoint(trained("binary:logistic", BINARY), selection="predicted_label, probabilities")
    body = b"\n".join(row(values) for values in ROWS[:2])
    documents = json.loads(text(ask(server, body, accept="application/json")))["predictions"]
    lines = text(ask(server, body, accept="application/jsonlines")).splitlines()
    assert [json.loads(line) for line in lines] == documents
    rows = list(csv.reader(io.StringIO(text(ask(server, body, accept="text/csv")))))
    assert [[int(label), json.loads(pair)] for label, pair in rows] == [list(document.values()) for document in documents]
    recordio = ask(server, body, accept="application/x-recordio-protobuf")
    assert isinstance(recordio.body, bytes)
    records = list(decode(recordio.body))
    for record, document in zip(records, documents, strict=True):
        assert list(record.label["probabilities"].values) == pytest.approx(document["probabilities"])
        assert list(record.label["predicted_label"].values) == [document["predicted_label"]]


def test_folds_are_an_ensemble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of the folds; the most frequent class for multi:softmax and binary:hinge."""
    folds = [trained("binary:logistic", BINARY, rounds) for rounds in (1, 3, 8)]
    for number, fold in enumerate(folds):
        (tmp_path / f"xgboost-model-{number}").write_bytes(fold.save())
    server = XgboostEndpoint(Predictor(load_models(tmp_path)))
    mean = np.mean([expected(fold)[0] for fold in folds])
    assert float(text(ask(server, row(ROWS[0])))) == pytest.approx(mean, abs=1e-6)
    monkeypatch.setenv("SAGEMAKER_INFERENCE_ENSEMBLE", "false")
    assert len(load_models(tmp_path)) == 1
    votes = [trained("multi:softmax", labels, num_class="3") for labels in (CLASSES, CLASSES, (CLASSES + 1) % 3)]
    found = text(ask(endpoint(*votes), b"\n".join(row(values) for values in ROWS[:20])))
    assert [float(line) for line in found.splitlines()] == expected(votes[0])[:20]


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_model_files_of_the_library(tmp_path: Path, form: str) -> None:
    booster = trained("binary:logistic", BINARY)
    assert expected(load(booster.save(form))) == expected(booster)


def test_a_pickled_booster_is_read_without_running_its_pickle(tmp_path: Path) -> None:
    """Artifacts before image 1.3-1: Python pickle of the Booster (H03: models (de)serialised with pickle)."""
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({"max_depth": 2, "objective": "binary:logistic"}, xgboost.DMatrix(ROWS, BINARY), 3)
    found = load(pickle.dumps(booster))
    assert expected(found) == booster.predict(xgboost.DMatrix(ROWS)).tolist()


class Harmful:
    """Its pickle would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x04junk", pickle.dumps({"a": 1}), pickle.dumps(Harmful())])
def test_what_is_no_model_is_refused(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError):
        load(content)
    assert "executed" not in capsys.readouterr().out


def test_the_container_over_http_and_frames(root: MlRoot, tmp_path: Path) -> None:
    """docs/architecture.md, "Container": frames beside HTTP on :8080."""
    booster = trained("binary:logistic", BINARY)
    root.write("model/xgboost-model", booster.save())
    path = tmp_path / "frames"
    with root.serving(SAGEWRIGHT_ALGORITHM="xgboost", SAGEWRIGHT_FRAMES_SOCKET=str(path)) as served:
        answer = served.invoke(row(ROWS[0]), X_Amzn_SageMaker_Custom_Attributes="a=1")
        assert (answer.status, float(answer.body)) == (200, expected(booster)[0])
        assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "a=1"
        assert served.invoke(b"").status == 204
        parameters = json.loads(served.call("GET", "/execution-parameters").body)
        assert (parameters["BatchStrategy"], parameters["MaxPayloadInMB"]) == ("MULTI_RECORD", 6)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            questions = [pack(number, {"content_type": "text/csv"}, row(ROWS[number])) for number in range(50)]
            connection.sendall(b"".join(questions))
            buffer, found = bytearray(), {}
            while len(found) < 50:
                buffer += connection.recv(65536)
                found.update({frame.id: float(frame.body) for frame in unpack(buffer)})
        assert [found[number] for number in range(50)] == expected(booster)[:50]


def test_a_port_in_use_leaves_frames(root: MlRoot, tmp_path: Path) -> None:
    """Without a network namespace another endpoint may hold :8080."""
    root.write("model/xgboost-model", trained("binary:logistic", BINARY).save())
    environment = {"SAGEWRIGHT_ALGORITHM": "xgboost", "SAGEWRIGHT_FRAMES_SOCKET": str(tmp_path / "second")}
    with root.serving(SAGEWRIGHT_ALGORITHM="xgboost") as first:
        given = root.environment(**environment, SAGEMAKER_BIND_TO_PORT=str(first.port))
        command = [sys.executable, "-m", "sagewright_container", "serve"]
        process = subprocess.Popen(command, env=given, stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith(b"HTTP is not served:")
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(20)
                connection.connect(str(tmp_path / "second"))
                connection.sendall(pack(1, {"op": "ping"}, b""))
                buffer = bytearray(connection.recv(65536))
            assert next(unpack(buffer)).header == {"status": 200}
        finally:
            process.terminate()
            process.stdout.close()
            process.wait(20)


def test_a_container_without_a_readable_model_ends(root: MlRoot) -> None:
    root.write("model/xgboost-model", b"not a model")
    with pytest.raises(AssertionError, match="Unable to load model"), root.serving(SAGEWRIGHT_ALGORITHM="xgboost"):
        pass


def test_numbers_are_written_as_python_writes_them() -> None:
    """H01: whatever writes them, batch transform's lines are those of ``repr``."""
    generator = random.Random(0)
    drawn = [generator.uniform(-1, 1) * 10.0 ** generator.randint(-40, 38) for _ in range(3000)]
    values = [*struct.unpack("3000f", struct.pack("3000f", *drawn)), 0.0, -0.0, 1.0, 1e-4, 1e-5, 1e15, 1e16, 1e22, -1e-7]
    assert answers.joined(Predictions(values, 1), "\n") == "\n".join(map(repr, values)).encode()
    odd = [math.nan, math.inf, -math.inf, 0.5]
    assert answers.joined(Predictions(odd, 1), ",") == b"nan,inf,-inf,0.5"
