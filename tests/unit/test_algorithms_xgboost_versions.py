"""What differs between the XGBoost images' versions where a client can see it (H03; DG:xgboost, xgboost-version-0.90)."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from array import array
from pathlib import Path

import numpy as np
import pytest
import xgboost
from support.ml_root import MlRoot

from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.hyperparameters import parse
from sagewright_algorithms.xgboost.model_file import load
from sagewright_algorithms.xgboost.predictor import Predictor
from sagewright_algorithms.xgboost.rows import DenseRows
from sagewright_algorithms.xgboost.serve import XgboostEndpoint
from sagewright_algorithms.xgboost.version import NEWEST, Version, of_tag
from sagewright_container.serving.message import Request

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.random((300, 5)).astype(np.float32).round(3)
LABELS = (ROWS.sum(axis=1) + RANDOM.normal(0, 0.3, 300) > 2.2).astype(float)
CLASSES = np.minimum(ROWS[:, 0] * 3, 2).astype(int).astype(float)


def trained(root: MlRoot, version: str, labels: np.ndarray[tuple[int], np.dtype[np.float64]], **more: str) -> tuple[str, bytes]:
    """The log's first evaluation and the artifact."""
    root.write("input/data/train/a.csv", "".join(",".join(map(str, row)) + "\n" for row in np.column_stack([labels, ROWS])))
    root.configure({"num_round": "4", "objective": "binary:logistic", **more}, train="text/csv")
    done = root.train(SAGEWRIGHT_ALGORITHM="xgboost", SAGEWRIGHT_IMAGE_VERSION=version)
    assert done.returncode == 0, done.stdout + done.stderr
    line = re.search(r"^\[0\]\ttrain-(\S+?):", done.stdout, re.MULTILINE)
    assert line is not None, done.stdout
    return line[1], (root.folder / "model" / "xgboost-model").read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1", Version((0, 72), 1)),
        ("0.90-2", Version((0, 90), 2)),
        ("1.7-1", Version((1, 7), 1)),
        ("3.0-5", NEWEST),
        ("", NEWEST),
        ("latest", NEWEST),
    ],
)
def test_tags(tag: str, version: Version) -> None:
    assert of_tag(tag) == version


@pytest.mark.parametrize(
    ("version", "objective", "metric"),
    [
        ("1.2-2", "binary:logistic", "error"),
        ("1.3-1", "binary:logistic", "logloss"),
        ("0.90-2", "multi:softprob", "merror"),
        ("1.5-1", "multi:softprob", "mlogloss"),
        ("1.0-1", "reg:squarederror", "rmse"),
    ],
)
def test_the_metric_that_is_shown_unasked(root: MlRoot, version: str, objective: str, metric: str) -> None:
    """xgboost 1.3 changed the default of classifiers."""
    multi = objective.startswith("multi:")
    more = {"num_class": "3"} if multi else {}
    assert trained(root, version, CLASSES if multi else LABELS, objective=objective, **more)[0] == metric


def test_a_metric_that_was_asked_for_is_the_only_one(root: MlRoot) -> None:
    assert trained(root, "1.2-1", LABELS, eval_metric="auc")[0] == "auc"


@pytest.mark.parametrize(
    ("version", "then"),
    [
        ("1.2-1", {"tree_method": "exact", "base_score": 0.5}),
        ("1.7-1", {"tree_method": "exact", "base_score": 0.5}),
        ("3.0-5", {}),
    ],
)
def test_defaults_of_the_library_then(root: MlRoot, version: str, then: dict[str, object]) -> None:
    """xgboost 2.0 made histograms the default method, and estimates where to start from."""
    reference = xgboost.train({"objective": "reg:squarederror", **then}, xgboost.DMatrix(ROWS, LABELS), 4)
    _, artifact = trained(root, version, LABELS, objective="reg:squarederror")
    found = np.array(Predictor([load(artifact)]).predict(rows(ROWS)).values)
    assert np.allclose(found, reference.predict(xgboost.DMatrix(ROWS)), atol=1e-6)


def rows(table: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> DenseRows:
    return DenseRows(array("d", table.ravel().tolist()), table.shape[1])


def test_the_artifact_was_a_pickle_before_1_3(root: MlRoot) -> None:
    """DG:xgboost: the model of 1.2 is read with pickle, that of 1.3 with Booster.load_model; both are served."""
    _, old = trained(root, "1.2-2", LABELS, tree_method="hist", base_score="0.5")
    _, new = trained(root, "1.3-1", LABELS, tree_method="hist", base_score="0.5")
    booster = pickle.loads(old)
    assert isinstance(booster, xgboost.Booster)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file's name has no suffix, as AWS's has none
        same = xgboost.Booster(model_file=root.folder / "model" / "xgboost-model")
    data = xgboost.DMatrix(ROWS)
    assert booster.predict(data).tolist() == same.predict(data).tolist()
    assert load(old).rounds() == load(new).rounds() == 4


def answer(artifact: bytes, version: str, body: bytes, accept: str = "") -> tuple[str, str]:
    (found,) = XgboostEndpoint(Predictor([load(artifact)]), version=of_tag(version)).invoke([Request(body, "text/csv", accept)])
    assert found.status == 200
    return bytes(found.body).decode(), found.content_type


def test_answers_in_one_line(root: MlRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 1.2-1 all predictions stand in one line of CSV, whatever was accepted; in batch transform one in a line, always."""
    _, artifact = trained(root, "3.0-5", LABELS)
    body = "\n".join(",".join(map(str, row)) for row in ROWS[:3]).encode()
    lines, _ = answer(artifact, "1.2-2", body)
    values = [float(line) for line in lines.splitlines()]
    assert lines.endswith("\n")
    for version in ("1", "0.90-1", "1.2-1"):
        line, content_type = answer(artifact, version, body, "application/json")
        assert [float(item) for item in line.split(",")] == values
        assert ("\n" not in line, content_type) == (True, "text/csv; charset=utf-8")
    assert len(json.loads(answer(artifact, "1.2-2", body, "application/json")[0])["predictions"]) == 3
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    for version in ("0.90-1", "3.0-5"):
        assert answer(artifact, version, body)[0] == lines


def test_several_outputs_in_brackets(root: MlRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python writes lists: so do the old images, and batch transform of all."""
    _, artifact = trained(root, "3.0-5", CLASSES, objective="multi:softprob", num_class="3")
    body = "\n".join(",".join(map(str, row)) for row in ROWS[:2]).encode()
    one_line = answer(artifact, "0.90-2", body)[0]
    found = json.loads(f"[{one_line}]")
    assert np.shape(found) == (2, 3)
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert [json.loads(line) for line in answer(artifact, "3.0-5", body)[0].splitlines()] == found


@pytest.mark.parametrize(
    ("version", "more", "words"),
    [
        ("1.7-1", {"silent": "0"}, "Extraneous hyperparameter found: silent"),
        ("1.0-1", {"sampling_method": "uniform"}, "Extraneous hyperparameter found: sampling_method"),
        ("1.3-1", {"use_dask_gpu_training": "true"}, "Extraneous hyperparameter found: use_dask_gpu_training"),
        ("0.90-2", {"objective": "survival:aft"}, "Hyperparameter objective: survival:aft is not in ['"),
        ("1.5-1", {"objective": "reg:absoluteerror"}, "Hyperparameter objective: reg:absoluteerror is not in ['"),
    ],
)
def test_what_a_version_does_not_know(version: str, more: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        parse({"num_round": "1", **more}, of_tag(version))


def test_what_older_programs_send() -> None:
    """Many public notebooks for xgboost:1 and 0.90 say silent=0."""
    assert "silent" not in parse({"num_round": "1", "silent": "0"}, of_tag("1")).library


def test_the_exact_method_is_not_taken_where_it_is_slow_or_was_not_then() -> None:
    old = of_tag("1.5-1")
    assert old.tree_method({}, 1_000_000) == "exact"
    for sent in (
        {"tree_method": "approx"},
        {"grow_policy": "lossguide"},
        {"booster": "gblinear"},
        {"updater": "grow_histmaker"},
    ):
        assert old.tree_method(sent, 1000) is None
    assert old.tree_method({}, 1_000_001) is None
    assert NEWEST.tree_method({}, 1000) is None
