"""Parts of TabTransformer: what a row becomes, what the network may be asked to be, the metrics of AWS's regexes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sagewright_algorithms.jumpstart import rows
from sagewright_algorithms.jumpstart.tables import Split, Tables
from sagewright_algorithms.tabtransformer import artifact, metrics
from sagewright_algorithms.tabtransformer.artifact import Facts
from sagewright_algorithms.tabtransformer.encoding import UNKNOWN, Encoding
from sagewright_algorithms.tabtransformer.network import Shape, TabTransformer

FEATURES = pd.DataFrame(
    {"feature_0": ["b", "a", "", "b"], "feature_1": [1.0, 3.0, np.nan, 2.0], "feature_2": [7.0, 7.0, 7.0, 7.0]}
)


def encoding() -> Encoding:
    split = Split(FEATURES, pd.Series([0, 1, 0, 1]))
    return Encoding.of(Tables(split, split, (0,)))


def test_numbers_are_standardised_and_what_is_missing_is_the_mean() -> None:
    codes, numbers = encoding().table(FEATURES)
    assert codes.tolist() == [[2], [1], [UNKNOWN], [2]]
    np.testing.assert_allclose(numbers, [[-1.2247449, 0], [1.2247449, 0], [0, 0], [0, 0]], rtol=1e-6)


def test_a_request_is_read_as_the_training_rows_were() -> None:
    found = rows.read(b"b,1,7\na,3,7\n,,7\nnever seen,2,7\n", 3, (0,))
    codes, numbers = encoding().rows(found)
    expected, standard = encoding().table(FEATURES)
    assert codes.tolist() == [*expected[:3].tolist(), [UNKNOWN]]
    np.testing.assert_array_equal(numbers, standard)


def shape(**changes: object) -> Shape:
    values = {"cardinalities": [3, 4], "numbers": 2, "outputs": 3, "width": 16, "blocks": 2}
    return Shape(**{**values, "attention_dropout": 0.2, "mlp_dropout": 0.1, "shared": 0.25, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shared": 0.0},
        {"shared": 1.0},
        {"cardinalities": []},
        {"numbers": 0},
        {"attention_dropout": 1.0, "mlp_dropout": 1.0},
        {"width": 512, "blocks": 1},
    ],
    ids=str,
)
def test_every_allowed_shape_learns_and_comes_back(tmp_path: Path, changes: dict[str, object]) -> None:
    torch.manual_seed(0)
    wanted = shape(**changes)
    network = TabTransformer(wanted)
    codes = torch.zeros(5, len(wanted.cardinalities), dtype=torch.int64)
    numbers = torch.randn(5, wanted.numbers)
    outputs = network(codes, numbers)
    assert outputs.shape == (5, 3)
    outputs.sum().backward()
    assert all(torch.isfinite(outputs).flatten())
    vocabularies = {number: {"a": 1} for number in range(len(wanted.cardinalities))}
    plain = Encoding(len(vocabularies) + wanted.numbers, vocabularies, [0.0] * wanted.numbers, [1.0] * wanted.numbers)
    facts = Facts(plain, [0, 1, 2], 0.0, 1.0, wanted)
    artifact.write(tmp_path, network, facts)
    again, read = artifact.read(tmp_path)
    assert read == facts
    torch.testing.assert_close(again(codes, numbers), network.eval()(codes, numbers))


def test_a_level_changes_the_answer_only_through_its_own_column() -> None:
    """The offsets: level 1 of two columns are different vectors."""
    network = TabTransformer(shape(numbers=0)).eval()
    one, other = (network(torch.tensor([pair]), torch.zeros(1, 0)) for pair in ([1, 2], [2, 1]))
    assert not torch.allclose(one, other)


def test_a_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        artifact.read(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"encoding": {}}))
    with pytest.raises(KeyError):
        artifact.read(tmp_path)


@pytest.mark.parametrize(
    ("classes", "outputs", "targets", "name", "value"),
    [
        (2, [[0, 1], [1, 0], [0, 1]], [1, 1, 1], "f1", 0.8),
        (2, [[1, 0], [1, 0]], [0, 0], "f1", 0.0),
        (3, [[0, 1, 0], [1, 0, 0]], [1, 2], "accuracy", 0.5),
        (0, [[1.0], [3.0]], [1.0, 2.0], "r2", -1.0),
        (0, [[1.0], [3.0]], [2.0, 2.0], "r2", 0.0),
    ],
)
def test_metrics(classes: int, outputs: list[list[float]], targets: list[float], name: str, value: float) -> None:
    assert metrics.name(classes) == name
    assert metrics.value(classes, np.array(outputs), np.array(targets)) == pytest.approx(value)
