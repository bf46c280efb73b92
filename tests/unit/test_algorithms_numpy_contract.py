"""One set of checks that every algorithm on NumPy inherits: log lines, failures in AWS's words, every format of the endpoint.

An algorithm joins with a line in CASES (algorithms.md 2; H01 to H20).
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.ml_root import MlRoot, Served
from support.numpy_jobs import configure, csv
from support.record_io import records

from sagewright_algorithms.manifest import load
from sagewright_algorithms.recordio import decode

RECORDIO = "application/x-recordio-protobuf"
FEATURES = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
LABELS = (FEATURES.sum(axis=1) > 0).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """``hyperparameters`` train quickly on three features; ``labelled``: the label comes first."""

    hyperparameters: dict[str, str]
    labelled: bool = False


CASES = {
    "factorization-machines": Case(
        {"feature_dim": "3", "num_factors": "2", "predictor_type": "binary_classifier"}, labelled=True
    ),
    "kmeans": Case({"k": "3", "feature_dim": "3"}),
    "knn": Case({"feature_dim": "3", "k": "3", "sample_size": "100", "predictor_type": "classifier"}, labelled=True),
    "linear-learner": Case({"predictor_type": "binary_classifier", "num_models": "4", "mini_batch_size": "50"}, labelled=True),
    "pca": Case({"num_components": "2", "feature_dim": "3", "mini_batch_size": "64"}),
    "randomcutforest": Case({"feature_dim": "3", "num_trees": "50"}),
}


class Family:
    """One algorithm on one /opt/ml."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.case = CASES[name]
        self.manifest = load(name)
        self.root = MlRoot(folder / "ml")

    def content(self, kind: str) -> bytes:
        if kind == "text/csv":
            return csv(np.column_stack([LABELS, FEATURES]) if self.case.labelled else FEATURES)
        return records(FEATURES, LABELS)

    def content_type(self, kind: str) -> str:
        return f"{kind};label_size={int(self.case.labelled)}" if kind == "text/csv" else kind

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.manifest.channels[0].content_types

    def given(self, content: bytes | None = None, kind: str = "", **hyperparameters: str | None) -> None:
        """A job on ``content`` (the usual rows); None drops a hyperparameter."""
        kind = kind or self.content_type(self.kinds[-1])
        usual = self.content(kind.partition(";")[0]) if content is None else content
        self.root.write("input/data/train/rows", usual)
        merged = {**self.case.hyperparameters, **hyperparameters}
        configure(self.root, {name: value for name, value in merged.items() if value is not None}, train=kind)

    def train(self) -> list[str]:
        done = self.root.train(SAGEWRIGHT_ALGORITHM=self.name)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def fails(self, message: str, code: int = 2) -> None:
        done = self.root.train(SAGEWRIGHT_ALGORITHM=self.name)
        assert done.returncode == code, done.stdout + done.stderr
        reason = self.root.failure()
        assert reason.startswith("ClientError: " if code == 2 else "AlgorithmError: ")
        assert message in reason
        assert "Traceback" not in reason + done.stderr
        assert not list((self.root.folder / "model").glob("*"))

    def model(self) -> dict[str, bytes]:
        folder = self.root.folder / "model"
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=sorted(CASES))
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Family:
    return Family(request.param, tmp_path)


def test_log_lines_in_the_order_of_aws_and_a_model(family: Family) -> None:
    """algorithms.md 2: the entry point's lines, the three configurations, metrics, the end."""
    family.given()
    lines = family.train()
    assert lines[:2] == ["Docker entrypoint called with argument(s): train", "Running default environment configuration script"]
    order = [
        "Reading default configuration",
        "Merging with provided",
        "Final configuration",
        "Process 1 is a worker",
        "#metrics",
    ]
    places = [next(number for number, line in enumerate(lines) if text in line) for text in order]
    assert places == sorted(places)
    assert all(re.match(r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] ", line) for line in lines if "Final" in line)
    documents = [json.loads(line.removeprefix("#metrics ")) for line in lines if line.startswith("#metrics ")]
    assert set(documents[-1]["Metrics"]) == {"setuptime", "totaltime"}
    assert all(document["Dimensions"]["Host"] == "algo-1" for document in documents)
    assert "model_algo-1" in family.model()


def test_progress_and_throughput_match_the_manifest(family: Family) -> None:
    family.given()
    text = "\n".join(family.train())
    regexes = {metric.name: metric.regex for metric in family.manifest.metrics}
    for name in ("train:progress", "train:throughput"):
        assert [float(value) for value in re.findall(regexes[name], text)], name
    assert float(re.findall(regexes["train:progress"], text)[-1]) == 100


def test_the_same_job_gives_the_same_model(family: Family) -> None:
    family.given()
    family.train()
    first = family.model()
    family.train()
    assert family.model() == first


def test_every_content_type_and_kind_of_record(family: Family) -> None:
    """File mode; dense and sparse records of the same rows give the same model as each other."""
    if "text/csv" in family.kinds:
        family.given(kind=family.content_type("text/csv"))
        family.train()
    models = []
    for sparse in (False, True):
        family.given(records(FEATURES, LABELS, sparse), RECORDIO)
        family.train()
        models.append(family.model())
    assert models[0] == models[1]


def test_a_pipe_gives_the_same_model_as_files(family: Family) -> None:
    """DG your-algorithms-training-algo-running-container: the first epoch comes through <channel>_0."""
    content = family.content(RECORDIO)
    family.given(content, RECORDIO)
    family.train()
    expected = family.model()
    file = family.root.folder / "input/config/inputdataconfig.json"
    file.write_text(file.read_text().replace('"File"', '"Pipe"'))
    pipe = family.root.folder / "input/data/train_0"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()
    family.train()
    writer.join(10)
    assert family.model() == expected


def test_an_unknown_hyperparameter(family: Family) -> None:
    family.given(mini_batch_siz="3")
    family.fails("Additional hyperparameters are not allowed ('mini_batch_siz' was unexpected)")


def test_each_required_hyperparameter(family: Family) -> None:
    for item in family.manifest.hyperparameters:
        if item.required:
            family.given(**{item.name: None})
            family.fails(f"'{item.name}' is a required property")


def test_a_value_out_of_range(family: Family) -> None:
    item = next(item for item in family.manifest.hyperparameters if item.type == "int" and item.min is not None)
    assert item.min is not None
    family.given(**{item.name: str(int(item.min) - 1)})
    family.fails("is not valid under any of the given schemas")


def test_hidden_hyperparameters_change_nothing(family: Family) -> None:
    family.given()
    family.train()
    plain = family.model()
    metric = family.manifest.metrics[0].name
    family.given(_tuning_objective_metric=metric, force_dense="True", _num_gpus="auto", _kvstore="auto", _log_level="info")
    family.train()
    assert set(family.model()) == set(plain)


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_channel(family: Family, content: bytes) -> None:
    family.given(content)
    family.fails("No training data processed")


def test_no_train_channel(family: Family) -> None:
    family.given()
    configure(family.root, family.case.hyperparameters)
    family.fails("'train' is a required property")


def test_an_unknown_channel(family: Family) -> None:
    family.given()
    configure(family.root, family.case.hyperparameters, train=family.content_type("text/csv"), tset="text/csv")
    family.fails("'tset' was unexpected")


@pytest.mark.parametrize(("kind", "shown"), [("csv", "csv"), ("text/libsvm", "text/libsvm")])
def test_an_unknown_content_type(family: Family, kind: str, shown: str) -> None:
    family.given(b"1,2,3", kind)
    family.fails(f"No iterator has been registered for ContentType ('{shown}', '1.0')")


@pytest.mark.parametrize(
    "line", [b"1,2\n", b"1,2,3,4,5,6\n", b"a,b,c,d\n", b"1,,3,4\n"], ids=["short", "long", "text", "empty"]
)
def test_a_bad_line_of_csv(family: Family, line: bytes) -> None:
    if "text/csv" not in family.kinds:
        pytest.skip("reads no CSV")
    family.given(family.content("text/csv") + line, family.content_type("text/csv"))
    family.fails("Unable to parse csv: rows 1-201, file ")


def test_a_cell_that_is_not_finite(family: Family) -> None:
    features = FEATURES.copy()
    features[17, 1] = np.inf
    family.given(records(features, LABELS), RECORDIO)
    family.fails("contains NaN or infinite values")


def test_the_wrong_number_of_features(family: Family) -> None:
    family.given(records(FEATURES[:, :2], LABELS), RECORDIO)
    wanted = family.case.hyperparameters.get("feature_dim", "auto")
    if wanted == "auto":
        family.train()
    else:
        family.fails("cannot copy sequence with size 2 to array axis with dimension 3")


def test_records_that_are_none(family: Family) -> None:
    family.given(b"\x0a\x23\xd7\xce\x04\x00\x00\x00abcd", RECORDIO)
    family.fails("Unable to read recordio-protobuf")


def test_every_way_to_ask_and_to_answer(family: Family) -> None:
    """The same rows give the same answers, and a bad request costs nobody else anything."""
    family.given()
    family.train()
    with family.root.serving(SAGEWRIGHT_ALGORITHM=family.name) as served:
        expected = _rows(family, served, "application/json", _instances(FEATURES[:5]))
        assert len(expected) == 5
        for kind, body in _bodies(FEATURES[:5]).items():
            if kind.partition(" ")[0] in family.manifest.inference.request_types:
                assert _rows(family, served, kind.partition(" ")[0], body) == expected, kind
        for accept in family.manifest.inference.response_types:
            answer = served.invoke(_instances(FEATURES[:5]), "application/json", Accept=accept)
            assert (answer.status, answer.headers["Content-Type"]) == (200, accept)
            _assert_same(expected, accept, answer.body)
        _refuses(served)
        assert _rows(family, served, "application/json", _instances(FEATURES[:5])) == expected
        assert json.loads(served.call("GET", "/execution-parameters").body)["BatchStrategy"] == "MULTI_RECORD"


def test_a_broken_model_is_not_served(family: Family) -> None:
    family.root.write("model/model_algo-1", b"not a model")
    with pytest.raises(AssertionError, match="Unable to load model"), family.root.serving(SAGEWRIGHT_ALGORITHM=family.name):
        pass


def _instances(rows: NDArray[Any]) -> bytes:
    return json.dumps({"instances": [{"features": row} for row in rows.tolist()]}).encode()


def _bodies(rows: NDArray[Any]) -> dict[str, bytes]:
    """By content type, and what is special about it."""
    sparse = [{"keys": [0, 1, 2], "shape": [3], "values": row} for row in rows.tolist()]
    return {
        "application/json values": json.dumps(
            {"instances": [{"data": {"features": {"values": row}}} for row in rows.tolist()]}
        ).encode(),
        "application/json sparse": json.dumps({"instances": [{"data": {"features": item}} for item in sparse]}).encode(),
        "application/jsonlines": b"\n".join(json.dumps({"features": row}).encode() for row in rows.tolist()),
        "text/csv": csv(rows),
        RECORDIO: records(rows),
        RECORDIO + " sparse": records(rows, sparse=True),
    }


def _rows(family: Family, served: Served, content_type: str, body: bytes) -> list[dict[str, Any]]:
    answer = served.invoke(body, content_type, Accept="application/json")
    assert answer.status == 200, answer.body
    (found,) = json.loads(answer.body).values()
    return list(found)


def _assert_same(expected: list[dict[str, Any]], accept: str, body: bytes) -> None:
    if accept == "application/json":
        assert list(json.loads(body).values()) == [expected]
    elif accept == "application/jsonlines":
        assert [json.loads(line) for line in body.splitlines()] == expected
    elif accept == RECORDIO:
        found = [{key: tensor.values.tolist() for key, tensor in record.label.items()} for record in decode(body)]
        assert found == [{key: np.ravel(value).tolist() for key, value in row.items()} for row in expected]
    else:
        rows = [[float(cell) for cell in line.split(b",")] for line in body.splitlines()]
        assert rows == [[cell for value in row.values() for cell in np.ravel(value).tolist()] for row in expected]


def _refuses(served: Served) -> None:
    for content_type, body, accept, status in (
        ("text/plain", b"1,2,3", "", 415),
        ("application/json", b"{", "", 400),
        ("application/json", _instances(FEATURES[:1, :2]), "", 400),
        ("application/json", b"", "", 400),
        (RECORDIO, b"abc", "", 400),
        ("application/json", _instances(FEATURES[:1]), "image/png", 406),
    ):
        assert served.invoke(body, content_type, Accept=accept).status == status
