"""Training data: CSV, libsvm, Parquet, RecordIO; sub-folders, weights, what is refused (H03; algorithms.md 6.2, Data)."""

from __future__ import annotations

import math
import os
import threading
from array import array
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from sagewright_algorithms.recordio import Record, Tensor, encode
from sagewright_algorithms.xgboost.data import content_type, read_channel
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import DenseExamples, Examples, SparseExamples

CSV, LIBSVM = {"ContentType": "text/csv"}, {"ContentType": "text/libsvm"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train").mkdir()
    return tmp_path / "train"


def dense(found: Examples | None) -> DenseExamples:
    assert isinstance(found, DenseExamples)
    return found


def sparse(found: Examples | None) -> SparseExamples:
    assert isinstance(found, SparseExamples)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "1,0.5,-2\n0,3,4\n",
        "1,0.5,-2\r\n0,3,4",
        "1;0.5;-2\n0;3;4\n\n",
        "1\t0.5\t-2\n0\t3\t4\n",
        '"1","0.5","-2"\n0,3,4\n',
        "1, .5, -2.0\n0, +3, 4e0\n",
        "\ufeff1,0.5,-2\n0,3,4\n",
    ],
)
def test_csv_is_label_then_features(folder: Path, text: str) -> None:
    (folder / "a.csv").write_text(text, encoding="utf-8", newline="")
    found = dense(read_channel(folder, CSV, weighted=False))
    assert found.labels.tolist() == [1, 0]
    assert found.features.tolist() == [[0.5, -2], [3, 4]]
    assert found.weights is None


def test_an_empty_cell_is_missing_and_a_weight_comes_second(folder: Path) -> None:
    (folder / "a.csv").write_text("1,0.5,,7\n0,2,8,\n")
    found = dense(read_channel(folder, CSV, weighted=True))
    assert found.weights is not None
    assert (found.labels.tolist(), found.weights.tolist()) == ([1, 0], [0.5, 2])
    assert [[math.isnan(value) for value in row] for row in found.features.tolist()] == [[True, False], [False, True]]


def test_many_blocks_are_one_table(folder: Path) -> None:
    rows = np.random.default_rng(0).random((60_000, 12)).astype("f4")
    np.savetxt(folder / "large.csv", rows, delimiter=",", fmt="%.7f")
    found = dense(read_channel(folder, CSV, weighted=False))
    assert np.allclose(np.column_stack([found.labels, found.features]), rows, atol=1e-6)


def test_files_in_sub_folders_to_depth_three(folder: Path) -> None:
    for depth, name in enumerate(["a", "b/b", "c/c/c", "d/d/d/d", "e/e/e/e/e"]):
        file = folder / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{depth},1\n")
    (folder / "empty.csv").touch()
    assert sorted(dense(read_channel(folder, CSV, weighted=False)).labels.tolist()) == [0, 1, 2, 3]


def test_no_files_are_no_rows(folder: Path) -> None:
    assert read_channel(folder, CSV, weighted=False) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "age,income\n1,2\n",
            "First line 'age,income...' of file 'a.csv' is not 'CSV' format. Please ensure the file is in 'CSV' format.",
        ),
        ("1,2\n1,x\n", "Failed to load csv data with exception:"),
        ("1,true\n", "First line '1,true...' of file"),
        ("1,2\n1,2,3\n", "Failed to load csv data with exception:"),
        ("1\n0\n", "Got input data without labels. Please check the input data set."),
        (",1\n0,1\n", "Got input data without labels. Please check the input data set."),
        ("\x00\xff\n", "First line"),
    ],
)
def test_csv_that_is_none(folder: Path, text: str, message: str) -> None:
    (folder / "a.csv").write_text(text, encoding="latin-1")
    with pytest.raises(UserError) as raised:
        read_channel(folder, CSV, weighted=False)
    assert str(raised.value).startswith(message)


def test_hidden_files_are_refused(folder: Path) -> None:
    (folder / ".part").write_text("1,2\n")
    with pytest.raises(UserError, match=r"Hidden file found in the data path! Remove that before training\."):
        read_channel(folder, CSV, weighted=False)


def test_libsvm_with_weights_queries_and_comments(folder: Path) -> None:
    (folder / "a").write_text("1:0.5 qid:1 0:1.5 3:2\n0:2 qid:1 # nothing\n\n1:1 qid:2 2:4\n")
    found = sparse(read_channel(folder, LIBSVM, weighted=False))
    assert (list(found.labels), list(found.weights), list(found.groups)) == ([1, 0, 1], [0.5, 2, 1], [1, 1, 2])
    assert (list(found.starts), list(found.indices), list(found.values)) == ([0, 2, 2, 3], [0, 3, 2], [1.5, 2, 4])
    assert found.columns() == 4


def test_libsvm_files_are_joined(folder: Path) -> None:
    (folder / "a").write_text("1 0:1 2:2\n")
    (folder / "b").write_text("0 1:3\n1 5:4\n")
    found = sparse(read_channel(folder, {}, weighted=False))
    assert (list(found.starts), list(found.indices), found.columns()) == ([0, 2, 3, 4], [0, 2, 1, 5], 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "First line '1,2,3...' of file 'a' is not 'LIBSVM' format."),
        ("1 2 3\n", "First line '1 2 3...' of file 'a' is not 'LIBSVM' format."),
        ("1 0:1\nx 0:1\n", "Failed to load libsvm data with exception:"),
        ("1 0:1\n1 0:1:2\n", "Failed to load libsvm data with exception:"),
        ("1 0:1\n1 -1:1\n", "Failed to load libsvm data with exception:"),
        ("1:1 0:1\n1 0:1\n", "Failed to load libsvm data with exception:"),
    ],
)
def test_libsvm_that_is_none(folder: Path, text: str, message: str) -> None:
    (folder / "a").write_text(text)
    with pytest.raises(UserError) as raised:
        read_channel(folder, LIBSVM, weighted=False)
    assert str(raised.value).startswith(message)


def test_parquet(folder: Path) -> None:
    table = pyarrow.table({"label": [1, 0], "a": [0.5, None], "b": [2, 3]})
    pyarrow.parquet.write_table(table, folder / "a.parquet")
    found = dense(read_channel(folder, {"ContentType": "application/x-parquet"}, weighted=False))
    assert found.labels.tolist() == [1, 0]
    assert found.features[:, 1].tolist() == [2, 3]
    assert np.isnan(found.features).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_parquet_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "a.parquet").write_bytes(content or b"PAR1PAR1")
    with pytest.raises(UserError, match="Failed to load parquet data"):
        read_channel(folder, {"ContentType": "parquet"}, weighted=False)


def test_text_in_parquet_is_refused(folder: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"label": [1], "a": ["x"]}), folder / "a.parquet")
    with pytest.raises(UserError, match="Failed to load parquet data"):
        read_channel(folder, {"ContentType": "parquet"}, weighted=False)


def test_recordio_dense_and_sparse(folder: Path) -> None:
    label = {"values": Tensor(array("f", [1]))}
    (folder / "dense").write_bytes(encode([Record({"values": Tensor(array("f", [1, 2]))}, label)] * 2))
    kind = {"ContentType": "application/x-recordio-protobuf"}
    assert dense(read_channel(folder, kind, weighted=False)).features.tolist() == [[1, 2], [1, 2]]
    (folder / "dense").unlink()
    (folder / "sparse").write_bytes(encode([Record({"values": Tensor(array("f", [7]), array("Q", [3]), (9,))}, label)]))
    found = sparse(read_channel(folder, kind, weighted=False))
    assert (list(found.indices), list(found.values), list(found.labels)) == ([3], [7], [1])


def test_recordio_without_label_or_frames_is_refused(folder: Path) -> None:
    (folder / "a").write_bytes(encode([Record({"values": Tensor(array("f", [1]))}, {})]))
    kind = {"ContentType": "recordio-protobuf"}
    with pytest.raises(UserError, match="Got input data without labels"):
        read_channel(folder, kind, weighted=False)
    (folder / "a").write_bytes(b"1,2,3\n")
    with pytest.raises(UserError, match="Failed to load recordio-protobuf data"):
        read_channel(folder, kind, weighted=False)


def test_pipe_mode_reads_the_first_epoch(folder: Path) -> None:
    """contracts.md 2.G: /opt/ml/input/data/<channel>_<epoch>, one reader."""
    fifo = Path(f"{folder}_0")
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"1,2\n0,3\n",))
    writer.start()
    found = dense(read_channel(folder, {**CSV, "TrainingInputMode": "Pipe"}, weighted=False))
    writer.join(10)
    assert found.labels.tolist() == [1, 0]
    with pytest.raises(UserError, match="Pipe mode is not supported for libsvm"):
        read_channel(folder, {**LIBSVM, "TrainingInputMode": "Pipe"}, weighted=False)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("text/csv; label_size=1", "csv"),
        ("CSV", "csv"),
        ("text/x-libsvm", "libsvm"),
        (None, "libsvm"),
        ("application/x-parquet", "parquet"),
        ("application/x-recordio-protobuf", "recordio-protobuf"),
    ],
)
def test_content_types(given: str | None, kind: str) -> None:
    assert content_type({"ContentType": given}) == kind


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("image/png", "image/png is not an accepted ContentType: csv, text/csv, libsvm"),
        ("text/csv; label_size=0", "Optional parameter label_size must be equal to 1"),
    ],
)
def test_content_types_that_are_none(given: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        content_type({"ContentType": given})
    assert message in str(raised.value)
