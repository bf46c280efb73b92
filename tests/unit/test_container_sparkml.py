"""MLeap's bundles and the container that serves them (K02, B07: SparkML). Expected values are worked out by Spark's own definitions."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagewright_container.layout import Layout
from sagewright_container.serving.message import Request, Response
from sagewright_container.sparkml.bundle import BundleError
from sagewright_container.sparkml.endpoint import SparkEndpoint
from sagewright_container.sparkml.serve import VARIABLE, load

Stage = tuple[str, Mapping[str, Any], Mapping[str, str], Mapping[str, str]]
"""Op, attributes, inputs by port, outputs by port."""
IRIS = {"input": [{"name": "color", "type": "string"}, {"name": "size", "type": "double"}]}


def doubles(*values: float) -> dict[str, Any]:
    return {"type": "list", "double": list(values)}


def strings(*values: str) -> dict[str, Any]:
    return {"type": "list", "string": list(values)}


def tensor(*values: float, dimensions: tuple[int, ...] = ()) -> dict[str, Any]:
    """As MLeap writes it: big-endian doubles in base64."""
    shape = {"dimensions": [{"size": size, "name": ""} for size in dimensions or (len(values),)]}
    packed = base64.b64encode(struct.pack(f">{len(values)}d", *values)).decode()
    return {"type": "tensor", "base": "double", "shape": shape, "value": packed}


def sockets(ports: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"port": port, "name": name} for port, name in ports.items()]


def write(folder: Path, name: str, stage: Stage) -> Path:
    op, attributes, inputs, outputs = stage
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"op": op, "attributes": attributes}))
    shape = {"inputs": sockets(inputs), "outputs": sockets(outputs)}
    (folder / "node.json").write_text(json.dumps({"name": name, "shape": shape}))
    return folder


class Bundle:
    """A pipeline of stages in a model folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.model = root / "model"
        self._monkeypatch = monkeypatch

    def stages(self, *stages: Stage) -> list[Path]:
        (self.model).mkdir(parents=True)
        (self.model / "bundle.json").write_text(json.dumps({"uid": "u", "name": "b", "format": "json", "version": "0.16.0"}))
        names = [f"stage_{number}" for number in range(len(stages))]
        write(self.model / "root", "pipeline", ("pipeline", {"nodes": strings(*names)}, {}, {}))
        return [write(self.model / "root" / f"{name}.node", name, stage) for name, stage in zip(names, stages, strict=True)]

    def serve(self, schema: Any = None) -> SparkEndpoint:
        self._monkeypatch.setenv(VARIABLE, json.dumps(schema) if schema else "")
        return load(Layout(self.root))


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    return Bundle(tmp_path, monkeypatch)


def ask(endpoint: SparkEndpoint, body: Any, content_type: str = "application/json", accept: str = "") -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    (response,) = endpoint.invoke([Request(data, content_type, accept)])
    return response


def vectors(name: str = "features", struct_: str = "vector") -> dict[str, Any]:
    return {"name": name, "type": "double", "struct": struct_}


def evaluated(bundle: Bundle, rows: list[Any], inputs: list[dict[str, Any]], output: dict[str, Any]) -> Any:
    """The output's lines of rows that bring their schema."""
    endpoint = bundle.serve({"input": inputs, "output": output})
    body = "\n".join(json.dumps({"data": row}) for row in rows).encode()
    response = ask(endpoint, body, "application/jsonlines")
    assert response.status == 200, response.body
    assert isinstance(response.body, bytes)
    return [[float(cell) for cell in line.split(",")] for line in response.body.decode().splitlines()]


INDEXER: Stage = (
    "string_indexer",
    {"labels": strings("red", "blue"), "handle_invalid": {"string": "keep"}},
    {"input": "color"},
    {"output": "color_i"},
)
ENCODER: Stage = (
    "one_hot_encoder",
    {"category_sizes": {"type": "list", "int": [3]}, "handle_invalid": {"string": "error"}, "drop_last": {}},
    {"input0": "color_i"},
    {"output0": "color_v"},
)
ASSEMBLER: Stage = (
    "vector_assembler",
    {"input_shapes": {"type": "list"}},
    {"input1": "size", "input0": "color_v"},
    {"output": "features"},
)


class TestForms:
    """The README of AWS's container."""

    def served(self, bundle: Bundle, output: dict[str, Any]) -> SparkEndpoint:
        bundle.stages(INDEXER, ENCODER, ASSEMBLER)
        return bundle.serve({**IRIS, "output": output})

    def test_csv_in_and_out(self, bundle: Bundle) -> None:
        response = ask(self.served(bundle, vectors()), b"blue,2.5\ngreen,1\n", "text/csv")
        assert (response.status, response.body, response.content_type) == (200, b"0.0,1.0,0.0,2.5\n0.0,0.0,1.0,1.0", "text/csv")

    def test_json_lines_out(self, bundle: Bundle) -> None:
        response = ask(self.served(bundle, vectors()), {"data": ["red", 3]}, accept="application/jsonlines")
        assert (response.body, response.content_type) == (b'{"features":[1.0,0.0,0.0,3.0]}', "application/jsonlines")

    def test_text_out(self, bundle: Bundle) -> None:
        bundle.stages(("tokenizer", {}, {"input": "text"}, {"output": "words"}))
        schema = {
            "input": [{"name": "text", "type": "string"}],
            "output": {"name": "words", "type": "string", "struct": "array"},
        }
        response = ask(bundle.serve(schema), {"data": ["Two  WORDS"]}, accept="application/jsonlines;data=text")
        assert response.body == b'{"source":"two words"}'

    def test_a_request_may_bring_a_schema(self, bundle: Bundle) -> None:
        endpoint = self.served(bundle, vectors())
        schema = {**IRIS, "output": {"name": "color_i", "type": "int"}}
        assert ask(endpoint, {"schema": schema, "data": ["blue", 1]}).body == b"1"
        assert ask(endpoint, {"data": [["blue", 1], ["red", 2]]}).body == b"0.0,1.0,0.0,1.0\n1.0,0.0,0.0,2.0"

    def test_the_default_of_accept_is_the_environment_s(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/jsonlines")
        assert ask(self.served(bundle, {"name": "size", "type": "double"}), {"data": ["red", 3]}, accept="*/*").body == b"3.0"

    @pytest.mark.parametrize(
        ("body", "content_type", "accept", "status", "words"),
        [
            (b"", "text/csv", "", 204, b""),
            (b"red,1", "text/plain", "", 415, b"not supported"),
            (b"red,1", "text/csv", "image/png", 400, b"Accept value"),
            (b"red,x", "text/csv", "", 400, b"could not convert"),
            (b"red", "text/csv", "", 400, b"2 values"),
            (b"\xff", "text/csv", "", 400, b"utf-8"),
            (b"[1]", "application/json", "", 400, b"a request is"),
            (b'{"data": ["red", 1], "schema": {}}', "application/json", "", 400, b"a schema is"),
            (b'{"data": ["red", 1], "schema": {"input": [{"name": "a", "type": "void"}], "output": {}}}', "application/json", "", 400, b"wrong for one"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_and_it_goes_on(
        self, bundle: Bundle, body: bytes, content_type: str, accept: str, status: int, words: bytes
    ) -> None:
        endpoint = self.served(bundle, vectors())
        response = ask(endpoint, body, content_type, accept)
        assert isinstance(response.body, bytes)
        assert (response.status, words in response.body) == (status, True), response.body
        assert ask(endpoint, b"red,1", "text/csv").status == 200

    def test_without_any_schema(self, bundle: Bundle) -> None:
        bundle.stages(INDEXER)
        assert b"Input schema has to be provided" in bytes(ask(bundle.serve(), b"red,1", "text/csv").body)  # type: ignore[arg-type]

    def test_execution_parameters(self, bundle: Bundle) -> None:
        document = json.loads(bytes(self.served(bundle, vectors()).execution_parameters().body))  # type: ignore[arg-type]
        assert (document["BatchStrategy"], document["MaxPayloadInMB"]) == ("SINGLE_RECORD", 5)


@pytest.mark.parametrize(
    ("op", "attributes", "rows", "wanted"),
    [
        ("standard_scaler", {"mean": tensor(1, 2), "std": tensor(2, 0)}, [[3, 5]], [[1, 0]]),
        ("standard_scaler", {"std": tensor(2, 4)}, [[3, 5]], [[1.5, 1.25]]),
        ("min_max_scaler", {"min": tensor(0, 1), "max": tensor(4, 1)}, [[1, 7], [9, 1]], [[0.25, 0.5], [1, 0.5]]),
        ("binarizer", {"threshold": {}}, [[-1, 2]], [[0, 1]]),
    ],
)
def test_scalers(bundle: Bundle, op: str, attributes: Any, rows: Any, wanted: Any) -> None:
    bundle.stages((op, attributes, {"input": "v"}, {"output": "o"}))
    assert evaluated(bundle, [[row] for row in rows], [vectors("v")], vectors("o")) == wanted


@pytest.mark.parametrize(
    ("op", "attributes", "values", "wanted"),
    [
        ("bucketizer", {"splits": {"type": "list", "double": [None, 0.0, 10.0, None]}}, [-5, 0, 9.9, 10], [0, 1, 1, 2]),
        ("bucketizer", {"splits": doubles(0, 1, 2)}, [0, 2], [0, 1]),
        ("imputer", {"surrogate_value": {"double": 4.5}, "missing_value": {"double": -1.0}}, [-1, 2, "nan"], [4.5, 2, 4.5]),
        ("imputer", {"imputeValue": {"double": 7.0}}, ["nan", 2], [7, 2]),
    ],
)
def test_columns_of_numbers(bundle: Bundle, op: str, attributes: Any, values: Any, wanted: Any) -> None:
    bundle.stages((op, attributes, {"input": "x"}, {"output": "o"}))
    column = {"name": "x", "type": "double"}
    assert evaluated(bundle, [[value] for value in values], [column], {"name": "o", "type": "double"}) == [
        [at] for at in wanted
    ]


@pytest.mark.parametrize(
    ("stage", "row", "words"),
    [
        (("string_indexer", {"labels": strings("a")}, {"input": "s"}, {"output": "o"}), ["b", 0], "Unseen label: b"),
        (("one_hot_encoder", {"category_sizes": {"type": "list", "int": [2]}, "drop_last": {"boolean": True}}, {"input0": "x"}, {"output0": "o"}), ["", 5], "Unseen value"),
        (("bucketizer", {"splits": doubles(0, 1)}, {"input": "x"}, {"output": "o"}), ["", 3], "out of Bucketizer bounds"),
        (("reverse_string_indexer", {"labels": strings("a")}, {"input": "x"}, {"output": "o"}), ["", 3], "outside"),
        (("linear_regression", {"coefficients": tensor(1), "intercept": {}}, {"features": "x"}, {"prediction": "o"}), ["", 3], "no vectors"),
        (("binarizer", {"threshold": {}}, {"input": "z"}, {"output": "o"}), ["", 3], "takes the column z"),
    ],
)  # fmt: skip
def test_values_that_the_pipeline_has_not_seen(bundle: Bundle, stage: Stage, row: list[Any], words: str) -> None:
    bundle.stages(stage)
    schema = {
        "input": [{"name": "s", "type": "string"}, {"name": "x", "type": "double"}],
        "output": {"name": "o", "type": "double"},
    }
    response = ask(bundle.serve(schema), {"data": row})
    assert (response.status, words in bytes(response.body).decode()) == (400, True), response.body  # type: ignore[arg-type]


def test_indexers_of_spark_3_have_several_columns(bundle: Bundle) -> None:
    attributes = {"labels_length": {"int": 2}, "labels_array_0": strings("a", "b"), "labels_array_1": strings("x")}
    ports = ({"input0": "s", "input1": "t"}, {"output0": "i", "output1": "j"})
    bundle.stages(
        ("string_indexer", attributes, *ports),
        ("vector_assembler", {}, {"input0": "i", "input1": "j"}, {"output": "v"}),
        ("reverse_string_indexer", {"labels": strings("a", "b")}, {"input": "i"}, {"output": "back"}),
    )
    columns = [{"name": name, "type": "string"} for name in "st"]
    assert evaluated(bundle, [["b", "x"]], columns, vectors("v")) == [[1, 0]]
    back = bundle.serve({"input": columns, "output": {"name": "back", "type": "string"}})
    assert ask(back, {"data": ["b", "x"]}).body == b"b"


def test_linear_regression(bundle: Bundle) -> None:
    """Tensors as lists of numbers, too, as other versions of MLeap write them."""
    attributes = {"coefficients": {"type": "tensor", "double": [1.0, 2.0]}, "intercept": {"double": 0.5}}
    bundle.stages(("linear_regression", attributes, {"features": "v"}, {"prediction": "p"}))
    assert evaluated(bundle, [[[1, 1]], [[0, 3]]], [vectors("v")], {"name": "p", "type": "double"}) == [[3.5], [6.5]]


def test_logistic_regression(bundle: Bundle) -> None:
    ports = ({"features": "v"}, {"prediction": "p", "probability": "q", "raw_prediction": "r"})
    binary = {"num_classes": {"long": 2}, "coefficients": tensor(1, -1), "intercept": {}, "threshold": {"double": 0.8}}
    bundle.stages(("logistic_regression", binary, *ports))
    rows = [[[1, 0]], [[3, 0]]]
    score = 1 / (1 + np.exp(-1))
    assert evaluated(bundle, rows, [vectors("v")], vectors("q"))[0] == pytest.approx([1 - score, score])
    assert evaluated(bundle, rows, [vectors("v")], vectors("r"))[0] == [-1, 1]
    assert evaluated(bundle, rows, [vectors("v")], {"name": "p", "type": "double"}) == [[0], [1]]


def test_logistic_regression_of_several_classes(bundle: Bundle) -> None:
    """The matrix of three classes and two features lies there column by column."""
    matrix = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]])
    attributes = {
        "num_classes": {"long": 3},
        "coefficient_matrix": tensor(*matrix.ravel(order="F"), dimensions=(3, 2)),
        "intercept_vector": tensor(0.0, 0.5, 0.0),
    }
    bundle.stages(("logistic_regression", attributes, {"features": "v"}, {"prediction": "p", "probability": "q"}))
    raw = matrix @ [1.0, 2.0] + [0.0, 0.5, 0.0]
    wanted = np.exp(raw) / np.exp(raw).sum()
    assert evaluated(bundle, [[[1, 2]]], [vectors("v")], vectors("q"))[0] == pytest.approx(wanted.tolist())
    assert evaluated(bundle, [[[1, 2]]], [vectors("v")], {"name": "p", "type": "double"}) == [[float(wanted.argmax())]]


def write_tree(folder: Path, op: str, *nodes: Any) -> None:
    """Numbers and lists are leaves; (feature, threshold) and (feature, categories, is left) are splits."""
    lines = []
    for node in nodes:
        if not isinstance(node, tuple):
            lines.append({"type": "leaf", "values": node if isinstance(node, list) else [node]})
        elif len(node) == 2:
            lines.append({"type": "internal", "split": {"type": "continuous", "featureIndex": node[0], "threshold": node[1]}})
        else:
            split = {
                "type": "categorical",
                "featureIndex": node[0],
                "categories": node[1],
                "isLeft": node[2],
                "numCategories": 4,
            }
            lines.append({"type": "internal", "split": split})
    folder.mkdir(exist_ok=True)
    if not (folder / "model.json").exists():
        (folder / "model.json").write_text(json.dumps({"op": op, "attributes": {"num_features": {"long": 2}}}))
    (folder / "tree.json").write_text("\n".join(map(json.dumps, lines)) + "\n")


TREES = {"trees": strings("tree0", "tree1"), "tree_weights": doubles(1.0, 0.5), "num_classes": {"long": 2}}
ROWS = [[[0, 0]], [[2, 0]], [[2, 3]]]


def test_decision_tree(bundle: Bundle) -> None:
    """A continuous split, and below it categorical ones of either kind."""
    (place,) = bundle.stages(("decision_tree_regression", {}, {"features": "v"}, {"prediction": "p"}))
    write_tree(place, "", (0, 1.0), 5.0, (1, [0.0, 2.0], True), 6.0, (1, [3.0], False), 8.0, 7.0)
    assert evaluated(bundle, ROWS, [vectors("v")], {"name": "p", "type": "double"}) == [[5], [6], [7]]


@pytest.mark.parametrize(("op", "wanted"), [("random_forest_regression", [5.5, 3.5, 4.5]), ("gbt_regression", [9.0, 6.0, 7.0])])
def test_ensembles_of_regression(bundle: Bundle, op: str, wanted: list[float]) -> None:
    (place,) = bundle.stages((op, TREES, {"features": "v"}, {"prediction": "p"}))
    write_tree(place / "tree0", "decision_tree_regression", (0, 1.0), 7.0, 5.0)
    write_tree(place / "tree1", "decision_tree_regression", (0, 1.0), 4.0, (1, 1.0), 2.0, 4.0)
    assert evaluated(bundle, ROWS, [vectors("v")], {"name": "p", "type": "double"}) == [[value] for value in wanted]


def test_ensembles_of_classification(bundle: Bundle) -> None:
    """Every tree of a forest has one vote; a boosted one adds up."""
    outputs = {"prediction": "p", "probability": "q", "raw_prediction": "r"}
    (forest, boosted) = bundle.stages(
        ("random_forest_classifier", TREES, {"features": "v"}, outputs),
        ("gbt_classifier", TREES, {"features": "v"}, {"prediction": "gp", "probability": "gq", "rawPrediction": "gr"}),
    )
    write_tree(forest / "tree0", "decision_tree_classifier", (0, 1.0), [3, 1], [0, 2])
    write_tree(forest / "tree1", "decision_tree_classifier", [1, 1])
    write_tree(boosted / "tree0", "decision_tree_regression", (0, 1.0), 1.0, -1.0)
    write_tree(boosted / "tree1", "decision_tree_regression", 0.5)
    assert evaluated(bundle, ROWS[:2], [vectors("v")], vectors("r")) == [[1.25, 0.75], [0.5, 1.5]]
    assert evaluated(bundle, ROWS[:2], [vectors("v")], vectors("q")) == [[0.625, 0.375], [0.25, 0.75]]
    assert evaluated(bundle, ROWS[:2], [vectors("v")], {"name": "p", "type": "double"}) == [[0], [1]]
    assert evaluated(bundle, ROWS[:2], [vectors("v")], vectors("gr")) == [[-1.25, 1.25], [0.75, -0.75]]
    found = evaluated(bundle, ROWS[:2], [vectors("v")], vectors("gq"))
    assert found[0] == pytest.approx([1 - 1 / (1 + np.exp(-2.5)), 1 / (1 + np.exp(-2.5))])
    assert evaluated(bundle, ROWS[:2], [vectors("v")], {"name": "gp", "type": "double"}) == [[1], [0]]


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (("word_to_vector", {}, {}, {}), 'the op "word_to_vector", which cannot be evaluated here'),
        (("linear_regression", {}, {"features": "v"}, {"prediction": "p"}), "no attribute coefficients"),
        (("decision_tree_regression", {}, {"features": "v"}, {"prediction": "p"}), "is no tree"),
        (("random_forest_regression", {"trees": strings("..")}, {"features": "v"}, {"prediction": "p"}), "no such names"),
        (("pipeline", {"nodes": strings("../x")}, {}, {}), "no name for a stage"),
    ],
)
def test_a_bundle_that_cannot_be_read_names_what_it_is(bundle: Bundle, stage: Stage, words: str) -> None:
    bundle.stages(stage)
    with pytest.raises(BundleError, match=words):
        bundle.serve()


def test_what_is_no_bundle(bundle: Bundle) -> None:
    bundle.model.mkdir()
    with pytest.raises(BundleError, match=r"there is no model/bundle\.json"):
        bundle.serve()
    (bundle.model / "bundle.json").write_text('{"format": "protobuf"}')
    with pytest.raises(BundleError, match="of the format protobuf"):
        bundle.serve()
    (bundle.model / "bundle.json").write_text("[")
    with pytest.raises(BundleError, match="is no JSON"):
        bundle.serve()


@pytest.mark.parametrize("lines", [['{"type": "internal", "split": {"type": "continuous"}}'], [], ['{"type": "leaf"}'], ["x"]])
def test_trees_that_end_too_soon(bundle: Bundle, lines: list[str]) -> None:
    (place,) = bundle.stages(("decision_tree_regression", {}, {"features": "v"}, {"prediction": "p"}))
    (place / "tree.json").write_text("\n".join(lines))
    with pytest.raises(BundleError, match="is no tree"):
        bundle.serve()
