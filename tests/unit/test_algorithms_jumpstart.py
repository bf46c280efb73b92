"""The frame of the algorithms in JumpStart form: tables, labels, rows, answers (algorithms.md 6.18 to 6.24)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.ml_root import MlRoot

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart import rows, tables
from sagewright_algorithms.jumpstart.endpoint import JumpStartEndpoint, UnreadableInputError
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Tables
from sagewright_algorithms.jumpstart.tabular import TabularModel
from sagewright_algorithms.manifest import load
from sagewright_container.serving.message import Request, Response

MODEL = "lightgbm-classification-model"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlRoot:
    monkeypatch.setenv("SAGEWRIGHT_ML_ROOT", str(tmp_path / "ml"))
    return MlRoot(tmp_path / "ml")


def read(root: MlRoot, channels: dict[str, dict[str, str]], text: bool = False) -> Tables:
    """The tables of a job with these files by channel."""
    root.configure({}, **dict.fromkeys(channels, "text/csv"))
    for channel, files in channels.items():
        for path, content in files.items():
            root.write(f"input/data/{channel}/{path}", content)
    found: list[Tables] = []
    code = frame.run(MODEL, lambda job: found.append(tables.read(job, text)))
    if code:
        raise ClientError(root.failure())
    return found[0]


ROWS = "0,1,2\n1,3,4\n0,5,6\n"


@pytest.mark.parametrize(
    "channels",
    [
        {"training": {"train/data.csv": ROWS, "validation/data.csv": "1,7,8\n"}},
        {"train": {"train/a.csv": ROWS[:12], "train/b.csv": ROWS[12:], "validation/data.csv": "1,7,8\n"}},
        {"training": {"data.csv": ROWS}, "validation": {"data.csv": "1,7,8\n"}},
        {"train": {"one-object": ROWS}, "validation": {"another": "1,7,8\n"}},
        {"training": {"train/data.csv": ROWS}, "validation": {"validation/data.csv": "1,7,8\n"}},
    ],
    ids=["one channel", "several files", "two channels", "single objects", "folders in both"],
)
def test_the_documented_layouts(root: MlRoot, channels: dict[str, dict[str, str]]) -> None:
    """DG:lightgbm, input and output interface."""
    found = read(root, channels)
    assert found.train.features.to_numpy().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert list(found.train.features.columns) == ["feature_0", "feature_1"]
    assert found.train.labels.tolist() == [0, 1, 0]
    assert found.validation.features.to_numpy().tolist() == [[7, 8]]


def test_without_validation_data_a_fifth_is_drawn(root: MlRoot) -> None:
    """Always the same rows."""
    whole = "".join(f"{number % 2},{number}\n" for number in range(50))
    found = read(root, {"training": {"data.csv": whole}})
    assert (len(found.train), len(found.validation)) == (40, 10)
    drawn = sorted(found.train.features["feature_0"].tolist() + found.validation.features["feature_0"].tolist())
    assert drawn == list(range(50))
    again = read(root, {"training": {"data.csv": whole}})
    assert again.validation.features.equals(found.validation.features)


def test_categories_have_one_spelling(root: MlRoot) -> None:
    data = "1,red,3,1.5\n0,,3.0,2.5\n1, red,4,\n"
    files = {"train/data.csv": data, "validation/data.csv": data, "categorical_index.json": '{"cat_index_list": [1, 2]}'}
    found = read(root, {"training": files})
    assert found.categorical == (0, 1)
    assert found.train.features["feature_0"].tolist() == ["red", "", "red"]
    assert found.train.features["feature_1"].tolist() == ["3", "3", "4"]
    numbers = found.train.features["feature_2"].tolist()
    assert numbers[:2] == [1.5, 2.5]
    assert math.isnan(numbers[2])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"data.csv": ""}, "Unable to parse data.csv as CSV"),
        ({}, "No CSV file was found"),
        ({"data.csv": "1\n2\n"}, "at least a label and a feature"),
        ({"a.csv": "1,2\n3,4\n", "b.csv": "1,2,3\n"}, "the same number of columns"),
        ({"data.csv": "1,2\n,4\n"}, "Row 2 of training has no label"),
        ({"data.csv": "1,2\n3,x\n"}, "Column 1 holds 'x', which is not a number"),
        ({"data.csv": "1,2\n3,4,5,6\n"}, "Unable to parse data.csv as CSV"),
        ({"data.csv": "1,2\n"}, "1 rows are too few to draw 20%"),
        ({"data.csv": ROWS, "categorical_index.json": "[1]"}, 'needs the form {"cat_index_list": [1, 3]}'),
        ({"data.csv": ROWS, "categorical_index.json": "{"}, "needs the form"),
        ({"data.csv": ROWS, "categorical_index.json": '{"cat_index_list": [0]}'}, "greater than zero"),
        ({"data.csv": ROWS, "categorical_index.json": '{"cat_index_list": [1, 1]}'}, "unique integers"),
        ({"data.csv": ROWS, "categorical_index.json": '{"cat_index_list": [3]}'}, "only 3 columns"),
    ],
)
def test_what_is_wrong_with_the_data(root: MlRoot, files: dict[str, str], words: str) -> None:
    (root.folder / "input/data/training").mkdir(parents=True)
    with pytest.raises(ClientError) as refused:
        read(root, {"training": files})
    assert str(refused.value).startswith("ClientError: ")
    assert words in str(refused.value)


def test_text_may_pass_where_the_algorithm_takes_it(root: MlRoot) -> None:
    found = read(root, {"training": {"data.csv": "1,a\n0,b\n" * 5}}, text=True)
    assert set(found.train.features["feature_0"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([1, 0, 1], [0, 1]),
        ([3.0, 1.0], [1, 3]),
        ([0.5, 1.0], [0.5, 1]),
        (["b", "a"], ["a", "b"]),
        ([1, "a"], ["1", "a"]),
    ],
)
def test_classes(labels: list[Any], names: list[Any]) -> None:
    column = pd.Series(labels)
    classes = Classes.of(column, column)
    assert classes.names == names
    assert [classes.names[number] for number in classes.encoded(column)] == [
        str(label) if isinstance(names[0], str) else label for label in labels
    ]


def test_one_class_is_none() -> None:
    with pytest.raises(ClientError, match="at least two"):
        Classes.of(pd.Series([1, 1]))


def test_hyperparameters_as_the_sdks_send_them(root: MlRoot) -> None:
    """SDK v2 sends JSON for what is the platform's; an alias and hyphens are the same name."""
    root.configure({"num_boost_round": '"7"', "is-unbalance": "true", "learning_rate": "0.5", "unknown": "1"}, train="text/csv")
    found: list[Job] = []
    assert frame.run(MODEL, found.append) == 0
    (job,) = found
    assert (job.hyperparameters.integer("num_boost_round"), job.hyperparameters.text("is_unbalance")) == (7, "True")
    assert job.model.task == "classification"
    assert "serve.endpoint" in (root.folder / "model/code/inference.py").read_text()


def test_several_instances_are_refused(root: MlRoot) -> None:
    root.configure({}, train="text/csv")
    root.write("input/config/resourceconfig.json", json.dumps({"hosts": ["algo-1", "algo-2"], "current_host": "algo-1"}))
    assert frame.run("catboost-classification-model", lambda job: None) == 2
    assert root.failure() == "ClientError: CatBoost does not train on several instances: set InstanceCount to 1"


def test_a_crash_is_the_algorithms(root: MlRoot) -> None:
    root.configure({}, train="text/csv")
    assert frame.run(MODEL, lambda job: [][0]) == 1
    assert root.failure() == "AlgorithmError: Internal Server Error: IndexError: list index out of range"


def test_the_model_channel_is_unpacked(root: MlRoot) -> None:
    root.configure({}, train="text/csv", model="application/x-sagemaker-model")
    root.archive("input/data/model/start.tar.gz", weights_txt="1")
    found: list[str] = []
    assert frame.run(MODEL, lambda job: found.append((job.pretrained() or Path()).joinpath("weights.txt").read_text())) == 0
    assert found == ["1"]
    root.write("input/data/model/start.tar.gz", b"no archive")
    assert frame.run(MODEL, lambda job: found.append(str(job.pretrained()))) == 2
    assert "The model channel cannot be read" in root.failure()


@pytest.mark.parametrize(
    ("body", "categorical", "numbers", "categories"),
    [
        (b"1,2.5\n-3,4e2", (), [[1, 2.5], [-3, 400]], {}),
        (b"\xef\xbb\xbf1,2\r\n\r\n3,4\r\n", (), [[1, 2], [3, 4]], {}),
        (b'1, "2"\n+3,.5', (), [[1, 2], [3, 0.5]], {}),
        (b"1,null\nNA,2", (), [[1, math.nan], [math.nan, 2]], {}),
        (b"3.0,1\n red,2\nNA,3", (0,), [[math.nan, 1], [math.nan, 2], [math.nan, 3]], {0: ["3", "red", ""]}),
    ],
)
def test_rows_of_a_request(
    body: bytes, categorical: tuple[int, ...], numbers: list[list[float]], categories: dict[int, list[str]]
) -> None:
    found = rows.read(body, 2, categorical)
    assert np.array_equal(found.numbers, np.array(numbers), equal_nan=True)
    assert found.categories == categories


@pytest.mark.parametrize("body", [b"", b"\n", b"1", b"1,2,3", b"1,x", b"true,1", b"\xff,1", b'1,"2\n', b"[1,2"])
def test_rows_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(UnreadableInputError):
        rows.read(body, 2)


def endpoint(classes: list[int] | None, one_column: bool) -> JumpStartEndpoint:
    def predict(found: rows.Rows) -> Any:
        first = found.numbers[:, 0]
        return first if classes is None else np.column_stack([1 - first, first])

    return JumpStartEndpoint(TabularModel(predict, 1, (), classes, one_column), load("lightgbm").inference)


def document(response: Response) -> Any:
    assert response.status == 200
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def test_answers_of_a_batch() -> None:
    """DG:lightgbm; requests that came together are predicted together, a bad one costs only itself."""
    found = endpoint([5, 7], True).invoke(
        [
            Request(b"0.25\n0.75", "text/csv; charset=utf-8", "application/json;verbose", "mine"),
            Request(b"x", "text/csv"),
            Request(b"0.5"),
            Request(b"0.5", "text/csv", "image/png"),
            Request(b"0.5", "image/png"),
        ]
    )
    assert [response.status for response in found] == [200, 400, 200, 406, 415]
    assert document(found[0]) == {"probabilities": [0.25, 0.75], "labels": [5, 7], "predicted_label": [5, 7]}
    assert (found[0].content_type, found[0].custom_attributes) == ("application/json;verbose", "mine")
    assert document(found[2]) == {"probabilities": [0.5]}


def test_answers_of_other_models() -> None:
    assert document(endpoint(None, True).invoke([Request(b"3", "text/csv", "*/*")])[0]) == {"prediction": [3.0]}
    both = document(endpoint([0, 1], False).invoke([Request(b"0.25", "text/csv", "application/json")])[0])
    assert both == {"probabilities": [[0.75, 0.25]]}
