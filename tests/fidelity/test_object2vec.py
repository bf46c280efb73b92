"""Object2Vec learns relations of pairs (algorithms/object2vec.json, reference_quality), and its contract (H07)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cases.object2vec import bags, lines
from support.in_process import Asked, Workshop
from support.ml_root import MlRoot

from sagewright_algorithms.common import ndarray_file
from sagewright_container.serving.message import Request

JSON_LINES = "application/jsonlines"
SMALL = {
    "enc0_max_seq_len": "10",
    "enc0_vocab_size": "40",
    "enc0_network": "pooled_embedding",
    "enc0_token_embedding_dim": "8",
    "enc_dim": "8",
    "mlp_dim": "16",
    "mlp_activation": "relu",
    "mini_batch_size": "100",
    "learning_rate": "0.02",
    "epochs": "2",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Workshop:
    return Workshop("object2vec", MlRoot(tmp_path / "ml"), monkeypatch, capsys)


def given(shop: Workshop, channels: dict[str, list[dict[str, Any]]], **hyperparameters: str) -> None:
    for name, documents in channels.items():
        shop.root.write(f"input/data/{name}/pairs.jsonl", lines(documents))
    types = dict.fromkeys(channels, JSON_LINES)
    if (shop.root.folder / "input/data/auxiliary").exists():
        types["auxiliary"] = "application/json"
    shop.root.configure({**SMALL, **hyperparameters}, **types)


def metric(log: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf"{name} <\w+>=(\S+)", log)]


def relations(count: int) -> list[dict[str, Any]]:
    """Bags of 10 topics of 50 words each: the same topic (0), the next one (1), another one (2)."""
    random = np.random.default_rng(0)

    def bag(topic: int) -> list[int]:
        return (topic % 10 * 50 + random.integers(0, 50, random.integers(5, 15))).tolist()

    found = []
    for number in range(count):
        topic, label = int(random.integers(0, 10)), number % 3
        found.append({"label": label, "in0": bag(topic), "in1": bag(topic + (label if label < 2 else random.integers(2, 10)))})
    return found


def test_relations_of_bags(shop: Workshop) -> None:
    """Reference 0.999, chance 0.333; must be at least 0.97."""
    found = relations(6000)
    wanted = {"enc0_max_seq_len": "20", "enc0_vocab_size": "500", "num_classes": "3", "enc_dim": "64", "mlp_dim": "128"}
    channels = {"train": found[:4800], "validation": found[4800:5400], "test": found[5400:]}
    given(shop, channels, **wanted, learning_rate="0.005", epochs="4")
    log = shop.train()
    (accuracy,) = metric(log, "test accuracy")
    assert accuracy >= 0.97
    predictions = shop.endpoint().predictions(*found[5400:])
    answered = np.mean(
        [np.argmax(item["scores"]) == pair["label"] for item, pair in zip(predictions, found[5400:], strict=True)]
    )
    assert answered == pytest.approx(accuracy)


@pytest.mark.parametrize("network", ["hcnn", "bilstm"])
def test_encoders_that_see_the_order(shop: Workshop, network: str) -> None:
    """Label 1 when in0 ends with the token of in1; a bag of tokens does not tell."""
    random = np.random.default_rng(0)
    found = []
    for number in range(2000):
        row = random.permutation(6)[:3]
        other = row[2] if number % 2 else row[int(random.integers(0, 2))]
        found.append({"label": number % 2, "in0": row.tolist(), "in1": [int(other)]})
    wanted = {"enc1_network": "pooled_embedding", "enc1_vocab_size": "6", "enc1_max_seq_len": "1", "enc0_vocab_size": "6"}
    given(
        shop,
        {"train": found[:1800], "test": found[1800:]},
        enc0_network=network,
        enc0_layers="1",
        enc_dim="16",
        **wanted,
        epochs="8",
    )
    assert metric(shop.train(), "test accuracy")[0] >= 0.95


def test_scores_as_labels(shop: Workshop) -> None:
    """output_layer mean_squared_error: labels are numbers, a score has length 1."""
    found = [{**pair, "label": 2.5 * pair["label"] - 1} for pair in bags(1000, 0)]
    given(shop, {"train": found[:900], "test": found[900:]}, output_layer="mean_squared_error", epochs="15")
    log = shop.train()
    assert metric(log, "test mean_squared_error")[0] <= 0.1
    assert "accuracy" not in log
    predictions = shop.endpoint().predictions(*found[900:])
    assert np.allclose([item["scores"] for item in predictions], [[pair["label"]] for pair in found[900:]], atol=1)


def test_negatives_are_made_up(shop: Workshop) -> None:
    """negative_sampling_rate: all training pairs are positive, and the network still tells which are not."""
    positive = [pair for pair in bags(1600, 0) if pair["label"]]
    given(shop, {"train": positive, "test": bags(200, 1)}, negative_sampling_rate="3", epochs="15")
    assert metric(shop.train(), "test accuracy")[0] >= 0.9
    given(shop, {"train": positive, "test": bags(200, 1)}, epochs="5")
    assert metric(shop.train(), "test accuracy")[0] == 0.5


@pytest.mark.parametrize("freeze", ["True", "False"])
def test_pretrained_token_vectors(shop: Workshop, freeze: str) -> None:
    """The auxiliary channel; frozen vectors come out as they went in."""
    wanted = np.random.default_rng(0).normal(size=(40, 8)).round(3)
    words = [f"word{number}" for number in range(40)]
    rows = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, wanted.tolist(), strict=True)]
    shop.root.write("input/data/auxiliary/vectors.txt", "".join(reversed(rows)))
    shop.root.write("input/data/auxiliary/vocab.json", json.dumps({word: number for number, word in enumerate(words)}))
    given(
        shop,
        {"train": bags(300, 0)},
        enc0_pretrained_embedding_file="vectors.txt",
        enc0_vocab_file="vocab.json",
        enc0_freeze_pretrained_embedding=freeze,
        tied_token_embedding_weight="True",
    )
    assert "40 of 40 words" in shop.train()
    embedded = shop.endpoint().predictions(*({"in0": [token]} for token in range(40)))
    found = np.array([item["embeddings"] for item in embedded])
    assert np.allclose(found, wanted, atol=1e-6) == (freeze == "True")
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9


def test_early_stopping_and_the_best_epoch(shop: Workshop) -> None:
    """The loss of the validation channel decides, and its best epoch's network is kept."""
    given(
        shop,
        {"train": bags(200, 0), "validation": bags(200, 1), "test": bags(200, 1)},
        epochs="60",
        early_stopping_patience="2",
        early_stopping_tolerance="0.001",
    )
    log = shop.train()
    assert "Early stop condition met" in log
    losses = metric(log, "validation cross_entropy")
    assert len(losses) < 60
    assert metric(log, "test cross_entropy")[0] == pytest.approx(min(losses), rel=1e-4)
    assert re.findall(r"completed (\S+) % of epochs", log)[-1] == "100"


@pytest.mark.parametrize("more", [{}, {"dropout": "0.2", "bucket_width": "3"}, {"token_embedding_storage_type": "row_sparse"}])
def test_the_same_job_gives_the_same_model(shop: Workshop, more: dict[str, str]) -> None:
    models = []
    for _ in range(2):
        given(shop, {"train": bags(200, 0), "validation": bags(20, 1)}, **more)
        shop.train()
        models.append(shop.model())
    assert models[0] == models[1]
    assert set(models[0]) == {"model_algo-1"}


def test_every_way_to_ask(shop: Workshop) -> None:
    """DG object2vec-inference-formats and object2vec-encoder-embeddings; one bad request costs nobody else anything."""
    given(shop, {"train": bags(100, 0)}, enc1_network="hcnn", enc1_vocab_size="40", enc1_max_seq_len="3")
    shop.train()
    asked = shop.endpoint()
    pairs = [{"in0": pair["in0"], "in1": pair["in1"]} for pair in bags(5, 1)]
    scores = asked.predictions(*pairs)
    assert [list(item) for item in scores] == [["scores"]] * 5
    assert [sum(item["scores"]) for item in scores] == pytest.approx([1] * 5)
    answered = asked.body(lines(pairs), JSON_LINES, JSON_LINES).splitlines()
    assert [json.loads(line) for line in answered] == scores
    mixed = asked.predictions(pairs[0], {"in1": pairs[0]["in1"]}, {"in0": pairs[0]["in0"]}, pairs[1])
    assert [list(item) for item in mixed] == [["scores"], ["embeddings"], ["embeddings"], ["scores"]]
    assert np.allclose(mixed[3]["scores"], scores[1]["scores"])
    assert mixed[1]["embeddings"] != mixed[2]["embeddings"]
    _longest(asked)
    bad, good = Request(b"{", "application/json"), Request(json.dumps({"instances": pairs}).encode(), "application/json")
    answers = asked.all(bad, good, good)
    assert [answer.status for answer in answers] == [400, 200, 200]
    assert answers[1].body == answers[2].body
    assert asked.status(b"1,2", "text/csv") == 415
    assert asked.status(lines(pairs), JSON_LINES, "text/csv") == 406


def _longest(asked: Asked) -> None:
    """Sequences are cut at the training's length, or at that of the content type's parameter."""

    def embedded(tokens: list[int], parameter: str = "") -> list[float]:
        body = json.dumps({"instances": [{"in1": tokens}]}).encode()
        found: list[float] = json.loads(asked.body(body, "application/json" + parameter))["predictions"][0]["embeddings"]
        return found

    assert embedded([1, 2, 3, 4]) == embedded([1, 2, 3, 39])
    assert embedded([1, 2, 3, 4], "; infer_max_seqlens=10,4") != embedded([1, 2, 3, 39], "; infer_max_seqlens=10,4")
    assert embedded([1, 2, 3], "; infer_max_seqlens=10,2") == embedded([1, 2])
    for wrong in ("0,4", "5001,4", "4", "a,b", "-1,2"):
        assert asked.status(b'{"instances": [{"in1": [1]}]}', f"application/json; infer_max_seqlens={wrong}") == 400


def test_a_malformed_record_is_named(shop: Workshop) -> None:
    found = [{"label": 0, "in0": [1], "in1": [2]}] * 10_005
    given(shop, {"train": [*found, {"label": 0, "in0": [1], "in1": [40]}]})
    shop.fails('Inconsistent vocab for in1 found. Vocab id "40" is not less than vocab_size=40 (record 10006, file ')


def test_what_cannot_be_trained(shop: Workshop) -> None:
    given(shop, {"train": bags(20, 0)}, negative_sampling_rate="1", mini_batch_size="1")
    shop.fails("negative_sampling_rate needs a mini_batch_size of at least 2")
    given(
        shop,
        {"train": bags(200, 0)},
        optimizer="sgd",
        learning_rate="1",
        epochs="20",
        output_layer="mean_squared_error",
        mlp_layers="9",
        mlp_activation="linear",
    )
    shop.root.write("input/data/train/more.jsonl", b'{"label": 1e30, "in0": [1], "in1": [2]}\n')
    shop.fails("The training loss is not finite")


def test_the_arrays_of_the_artifact(shop: Workshop) -> None:
    """A ZIP with an NDArray list: no code in it that could run."""
    given(shop, {"train": bags(50, 0)}, tied_token_embedding_weight="true")
    shop.train()
    content = shop.model()["model_algo-1"]
    start = content.index(b"network.params") + len("network.params")
    arrays = ndarray_file.load(content[start:])
    assert arrays["encoders.0.table"].shape == (40, 8)
