"""What the MXNet-family algorithms share: hyperparameters, model files, channels, requests, answers (algorithms.md 2)."""

from __future__ import annotations

import json
import struct
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagewright_algorithms.common import answers, channels, input_config, ndarray_file, requests, uniform_records
from sagewright_algorithms.common.endpoint import ModelEndpoint, TableReader
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import CompressedRows, Floats, dense, fitted, joined
from sagewright_algorithms.manifest import Hyperparameter, Inference, Manifest, load
from sagewright_algorithms.recordio import Record, Tensor, decode, encode
from sagewright_container.serving.message import Request, Response

JSON, JSON_LINES, CSV, RECORDIO = requests.JSON, requests.JSON_LINES, requests.CSV, requests.RECORDIO


def record(values: list[float], label: float | None = None, keys: list[int] | None = None, width: int = 0) -> Record:
    tensor = Tensor(array("f", values), None if keys is None else array("I", keys), (width,) if width else ())
    return Record({"values": tensor}, {} if label is None else {"values": Tensor(array("f", [label]))})


class TestHyperparameters:
    def kmeans(self, **given: str) -> Hyperparameters:
        return Hyperparameters(load("kmeans"), {"k": "3", "feature_dim": "2", **given})

    def test_defaults_and_auto(self) -> None:
        values = self.kmeans(epochs="4")
        assert (values.integer("k"), values.integer("epochs"), values.integer("extra_center_factor", 7)) == (3, 4, 7)
        assert (values.text("init_method"), values.listed("eval_metrics")) == ("random", ["msd"])
        assert (values.is_set("extra_center_factor"), values.was_sent("epochs"), values.was_sent("init_method")) == (
            False,
            True,
            False,
        )

    def test_hidden_ones_are_taken(self) -> None:
        """algorithms.md 2: accepted everywhere."""
        assert self.kmeans(force_dense="True", _tuning_objective_metric="test:msd", _num_gpus="auto").integer("k") == 3

    def test_unknown_names(self) -> None:
        with pytest.raises(ClientError, match=r"^Additional hyperparameters are not allowed \('x' was unexpected\)$"):
            self.kmeans(x="1")
        with pytest.raises(ClientError, match=r"\('x', 'y' were unexpected\)"):
            self.kmeans(y="1", x="1")

    def test_a_missing_one(self) -> None:
        with pytest.raises(ClientError, match=r"^'k' is a required property$"):
            Hyperparameters(load("kmeans"), {"feature_dim": "2"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("k", "0"),
            ("k", "-1"),
            ("k", "two"),
            ("k", "1.5"),
            ("k", ""),
            ("local_lloyd_tol", "nan"),
            ("local_lloyd_tol", "1.1"),
            ("extra_center_factor", "automatic"),
            ("eval_metrics", '["rmse"]'),
            ("eval_metrics", "[]"),
        ],
    )
    def test_values_out_of_range(self, name: str, value: str) -> None:
        with pytest.raises(ClientError) as caught:
            self.kmeans(**{name: value})
        assert str(caught.value).startswith(f"{value!r} is not valid under any of the given schemas")
        assert f"On instance['{name}']:\n    {value!r}" in str(caught.value)

    def test_a_choice_that_is_none(self) -> None:
        with pytest.raises(ClientError, match=r"'best' is not one of \['random', 'kmeans\+\+'\]"):
            self.kmeans(init_method="best")

    @pytest.mark.parametrize("text", ["True", "true", "False", "false"])
    def test_flags_as_the_sdk_sends_them(self, text: str) -> None:
        manifest = Manifest(**{**vars_of(load("kmeans")), "hyperparameters": (Hyperparameter("f", "bool", False, False, ""),)})
        assert Hyperparameters(manifest, {"f": text}).flag("f") is (text.lower() == "true")


def vars_of(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in Manifest.__slots__}


class TestNdarrayFile:
    def test_bytes_as_mxnet_writes_them(self) -> None:
        """Layout checked against mxnet 1.9.1 (algorithms.md 2)."""
        content = ndarray_file.dump({"v": np.array([[1.0, 2.0]], np.float32)})
        assert content == (
            struct.pack("<QQQ", 0x112, 0, 1)
            + struct.pack("<Iii2q3i2f", 0xF993FAC9, 0, 2, 1, 2, 1, 0, 0, 1.0, 2.0)
            + struct.pack("<QQ", 1, 1)
            + b"v"
        )

    @pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64", "uint8"])
    def test_there_and_back(self, kind: str) -> None:
        arrays = {"a": np.arange(6).reshape(2, 3).astype(kind), "b": np.zeros(0, kind)}
        back = ndarray_file.load(ndarray_file.dump(arrays))
        assert list(back) == ["a", "b"]
        assert all(back[name].dtype == kind and np.array_equal(back[name], arrays[name]) for name in arrays)
        unnamed = ndarray_file.load(ndarray_file.dump(list(arrays.values())))
        assert list(unnamed) == ["0", "1"]

    def test_anything_else_is_refused(self) -> None:
        whole = ndarray_file.dump([np.ones(4, np.float32)])
        for content in (b"", b"x", whole[:-1], whole[:30], whole[:40], b"\0" * 40, whole[:24] + b"\xff" * 40):
            with pytest.raises(ndarray_file.MalformedModelError):
                ndarray_file.load(content)


class TestMatrix:
    def test_sparse_rows_become_dense(self) -> None:
        rows = CompressedRows(np.array([0, 2, 2]), np.array([0, 3]), np.array([1, 2], np.float32), 4)
        assert dense(rows, 5).tolist() == [[1, 0, 0, 2, 0], [0, 0, 0, 0, 0]]
        assert fitted(rows, 5) is rows
        with pytest.raises(ValueError, match="cannot copy sequence with size 4 to array axis with dimension 3"):
            dense(rows, 3)

    def test_dense_and_sparse_parts_join(self) -> None:
        rows = CompressedRows(np.array([0, 1]), np.array([1]), np.array([5], np.float32), 2)
        assert dense(joined([np.array([[1, 2]], np.float32), rows]), 2).tolist() == [[1, 2], [0, 5]]


class TestChannels:
    def read(self, folder: Path, content: bytes, content_type: str) -> channels.Examples:
        (folder / "train").mkdir()
        (folder / "train" / "part-0").write_bytes(content)
        return channels.read(folder / "train", {"ContentType": content_type})

    def test_csv_with_and_without_label(self, tmp_path: Path) -> None:
        for number, (kind, labels, width) in enumerate((("text/csv", [1, 0], 2), ("text/csv; label_size=0", None, 3))):
            (tmp_path / str(number)).mkdir()
            examples = self.read(tmp_path / str(number), b"1,2,3\n0,5,6\n", kind)
            assert (None if examples.labels is None else examples.labels.tolist()) == labels
            assert examples.dense(width).shape == (2, width)

    def test_recordio_dense_and_sparse(self, tmp_path: Path) -> None:
        content = encode([record([1, 2], 1), record([7], 0, [1], 2)])
        examples = self.read(tmp_path, content, RECORDIO)
        assert examples.dense(2).tolist() == [[1, 2], [0, 7]]
        assert examples.required_labels().tolist() == [1, 0]

    @pytest.mark.parametrize("labelled", [True, False])
    @pytest.mark.parametrize("width", [2, 3])
    def test_records_of_one_form_are_read_at_once(self, labelled: bool, width: int) -> None:
        """The quick way gives what reading one by one gives."""
        rows = np.random.default_rng(0).integers(-1, 2, (50, width)).astype(np.float32)
        rows[0] = 0
        labels = np.arange(50) % 3 if labelled else [None] * 50
        content = encode(record(row.tolist(), label) for row, label in zip(rows, labels, strict=True))
        found = uniform_records.read(content)
        assert found is not None
        assert np.array_equal(found[0], rows)
        assert found[1] is None if not labelled else np.array_equal(found[1], labels)

    @pytest.mark.parametrize(
        "others",
        [
            [record([1, 2, 3], 1)],
            [record([1], 1)],
            [record([1, 2])],
            [record([1, 2], 1, [0, 1], 9)],
            [Record({"values": Tensor(array("f", [1, 2]))}, {"valueZ": Tensor(array("f", [1]))})],
        ],
    )
    def test_records_of_several_forms_are_not(self, others: list[Record]) -> None:
        assert uniform_records.read(encode([record([5, 6], 1), *others])) is None

    def test_all_files_count_in_order(self, tmp_path: Path) -> None:
        for name in ("b", "a", "sub/c"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(f"{ord(name[-1])},0\n")
        assert channels.read(tmp_path, {"ContentType": "text/csv;label_size=0"}).dense(2)[:, 0].tolist() == [97, 98, 99]

    @pytest.mark.parametrize(
        ("content", "kind", "message"),
        [
            (b"1,2\n1,2,3\n", "text/csv", r"Unable to parse csv: rows 1-2, file .*/train/part-0"),
            (b"1,2\n1,x\n", "text/csv", r"Unable to parse csv: rows 1-2, file"),
            (b"1,\n", "text/csv", r"Unable to parse csv: rows 1-1, file"),
            (b"0,0\n" * 1500 + b"0,a\n", "text/csv", r"Unable to parse csv: rows 1001-1501, file"),
            (b"1\n2\n", "text/csv", r"leaves no features"),
            (b"1,nan\n", "text/csv", r"NaN or infinite"),
            (b"\xff\xfe\n", "text/csv", r"Unable to parse csv"),
            (b"", "text/csv", r"No training data processed"),
            (b"\n\n", "text/csv", r"No training data processed"),
            (b"1,2\n", "csv", r"No iterator has been registered for ContentType \('csv', '1.0'\)"),
            (b"1,2\n", "text/csv;label_size=x", r"label_size"),
            (b"not recordio", RECORDIO, r"Unable to read recordio-protobuf"),
            (
                encode([record([1, 2]), record([1])]),
                RECORDIO,
                r"cannot copy sequence with size 1 to array axis with dimension 2",
            ),
            (encode([record([1], keys=[9], width=3)]), RECORDIO, r"is not below its shape 3"),
            (encode([Record()]), RECORDIO, r'without the feature "values"'),
        ],
    )
    def test_what_cannot_be_read(self, tmp_path: Path, content: bytes, kind: str, message: str) -> None:
        with pytest.raises(ClientError, match=message):
            self.read(tmp_path, content, kind)

    def test_channels_are_checked_against_the_manifest(self) -> None:
        kmeans = load("kmeans")
        wrong: tuple[tuple[dict[str, dict[str, str]], str], ...] = (
            ({}, "'train' is a required property"),
            ({"train": {}, "other": {}}, "'other' was unexpected"),
            ({"train": {"S3DistributionType": "Nowhere"}}, "'Nowhere' is not one of"),
        )
        for given, message in wrong:
            with pytest.raises(ClientError, match=message):
                input_config.check(kmeans, given)


class Double:
    """A model that doubles two features."""

    top = "predictions"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, features: Floats, verbose: bool) -> answers.Columns:
        self.batches.append(len(features))
        found: dict[str, Any] = {"sum": features.sum(axis=1)}
        return {**found, "double": features * 2} if verbose else found


TYPES = (JSON, JSON_LINES, CSV, RECORDIO)


class TestEndpoint:
    @pytest.fixture
    def model(self) -> Double:
        return Double()

    @pytest.fixture
    def server(self, model: Double) -> ModelEndpoint:
        return ModelEndpoint(model, Inference(TYPES, TYPES, JSON), TableReader(2))

    def ask(self, server: ModelEndpoint, body: bytes, content_type: str = CSV, accept: str = "") -> Response:
        (response,) = server.invoke([Request(body, content_type, accept)])
        return response

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            (CSV, b"1,2\n3,4"),
            ("text/csv; label_size=0", b"1,2\r\n3,4\r\n\r\n"),
            (CSV, b'"1", 2\n+3,4.\n'),
            (JSON, b'{"instances":[{"features":[1,2]},{"data":{"features":{"values":[3,4]}}}]}'),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[0,1],"shape":[2],"values":[1,2]}}},{"features":[3,4]}]}'),
            (JSON_LINES, b'{"features":[1,2]}\n{"data":{"features":{"values":[3,4]}}}\n'),
            (RECORDIO, encode([record([1, 2]), record([3, 4])])),
            (RECORDIO, encode([record([1, 2]), record([4, 3], keys=[1, 0], width=2)])),
        ],
    )
    def test_every_way_to_ask(self, server: ModelEndpoint, content_type: str, body: bytes) -> None:
        response = self.ask(server, body, content_type)
        assert (response.status, response.content_type) == (200, JSON)
        assert json.loads(response.body) == {"predictions": [{"sum": 3.0}, {"sum": 7.0}]}  # type: ignore[arg-type]

    def test_every_way_to_answer(self, server: ModelEndpoint) -> None:
        def body(accept: str) -> bytes:
            response = self.ask(server, b"1,2\n3,4", accept=accept)
            assert response.content_type == accept.partition(";")[0]
            assert isinstance(response.body, bytes)
            return response.body

        assert body(JSON_LINES) == b'{"sum":3.0}\n{"sum":7.0}\n'
        assert body(CSV) == b"3.0\n7.0\n"
        assert body("text/csv; verbose=true") == b"3.0,2.0,4.0\n7.0,6.0,8.0\n"
        assert json.loads(body("application/json; verbose=True"))["predictions"][1] == {"sum": 7.0, "double": [6.0, 8.0]}
        assert [row.label["sum"].values.tolist() for row in decode(body(RECORDIO))] == [[3.0], [7.0]]

    @pytest.mark.parametrize(
        ("content_type", "body", "status"),
        [
            ("text/plain", b"1,2", 415),
            ("", b"1,2", 415),
            (CSV, b"", 400),
            (CSV, b"1", 400),
            (CSV, b"1,2,3", 400),
            (CSV, b"1,x", 400),
            (CSV, b"1,nan", 400),
            (CSV, b"1,1e300", 400),
            (CSV, b"1,2\n3", 400),
            (CSV, b"\xff", 400),
            (JSON, b"", 400),
            (JSON, b"[]", 400),
            (JSON, b"{}", 400),
            (JSON, b'{"instances":3}', 400),
            (JSON, b'{"instances":[]}', 400),
            (JSON, b'{"instances":[1]}', 400),
            (JSON, b'{"instances":[{"features":[[1],[2]]}]}', 400),
            (JSON, b'{"instances":[{"features":[1,"a"]}]}', 400),
            (JSON, b'{"instances":[{"features":[1,null]}]}', 400),
            (JSON, b'{"instances":[{"features":[1,2]},{"features":[1]}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[0],"values":[]}}}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[-1],"values":[1]}}}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[7],"values":[1]}}}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[0],"values":["1"]}}}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[0],"shape":["x"],"values":[1]}}}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[0],"shape":[0],"values":[1]}}}]}', 400),
            (JSON, b'{"instances":[{"data":{"features":{"keys":[0]}}}]}', 400),
            (JSON_LINES, b"{", 400),
            (JSON_LINES, b"3", 400),
            (RECORDIO, b"xx", 400),
            (RECORDIO, encode([Record()]), 400),
        ],
    )
    def test_a_bad_request_is_refused_and_spoils_no_other(
        self, server: ModelEndpoint, model: Double, content_type: str, body: bytes, status: int
    ) -> None:
        good = Request(b"1,2", CSV)
        first, bad, last = server.invoke([good, Request(body, content_type), good])
        assert bad.status == status
        assert (first.status, last.status) == (200, 200)
        assert model.batches == [2]

    def test_an_accept_that_is_not_offered(self, server: ModelEndpoint) -> None:
        assert self.ask(server, b"1,2", accept="image/png").status == 406

    def test_execution_parameters(self, server: ModelEndpoint) -> None:
        document = json.loads(server.execution_parameters().body)  # type: ignore[arg-type]
        assert (document["BatchStrategy"], document["MaxPayloadInMB"]) == ("MULTI_RECORD", 6)
