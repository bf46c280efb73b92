"""Object2Vec on bags of tokens: are both of one topic?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

JSON_LINES = "application/jsonlines"
TOPICS, WORDS = 4, 10
VOCABULARY = str(TOPICS * WORDS)


def bags(count: int, seed: int) -> list[dict[str, Any]]:
    """Pairs of two to eight tokens of one topic each; the label says whether it is the same one."""
    random = np.random.default_rng(seed)

    def bag(topic: int) -> list[int]:
        return (topic * WORDS + random.integers(0, WORDS, random.integers(2, 9))).tolist()

    found = []
    for number in range(count):
        topic, label = int(random.integers(0, TOPICS)), number % 2
        other = topic if label else (topic + int(random.integers(1, TOPICS))) % TOPICS
        found.append({"label": label, "in0": bag(topic), "in1": bag(other)})
    return found


def lines(documents: list[dict[str, Any]]) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def case() -> Case:
    """A second is enough for the mean of token vectors."""
    asked = [{name: pair[name] for name in ("in0", "in1")} for pair in bags(5, 2)]
    return Case(
        algorithm="object2vec",
        hyperparameters={
            "enc0_max_seq_len": "10",
            "enc0_vocab_size": VOCABULARY,
            "enc0_network": "pooled_embedding",
            "enc_dim": "16",
            "mlp_dim": "32",
            "mlp_activation": "relu",
            "learning_rate": "0.02",
            "mini_batch_size": "100",
            "epochs": "8",
        },
        channels={
            "train": Channel(JSON_LINES, {"pairs.jsonl": lines(bags(1000, 0))}),
            "validation": Channel(JSON_LINES, {"pairs.jsonl": lines(bags(100, 1))}),
            "test": Channel(JSON_LINES, {"pairs.jsonl": lines(bags(100, 2))}),
        },
        requests={
            "application/json": json.dumps({"instances": asked}).encode(),
            JSON_LINES: lines(asked),
        },
        artifact=("model_algo-1",),
        check=_check,
        metrics=(
            "train:cross_entropy",
            "train:accuracy",
            "validation:cross_entropy",
            "validation:accuracy",
            "test:cross_entropy",
            "test:accuracy",
            "train:progress",
            "train:throughput",
        ),
        wrong_hyperparameters=(
            WrongHyperparameter("enc0_vocab_size", None, "'enc0_vocab_size' is a required property"),
            WrongHyperparameter("enc0_max_seq_len", "5001", "'5001' is not valid under any of the given schemas"),
            WrongHyperparameter("enc0_network", "cnn", "'cnn' is not one of ['hcnn', 'bilstm', 'pooled_embedding']"),
            WrongHyperparameter("enc1_network", "hcnn", "'enc1_vocab_size' is a required property"),
            WrongHyperparameter("enc0_pretrained_embedding_file", "vectors.txt", "needs the auxiliary channel"),
            WrongHyperparameter("vocab_size", "1", "Additional hyperparameters are not allowed ('vocab_size' was unexpected)"),
        ),
        wrong_channels=(
            WrongChannel("train", None, "'train' is a required property"),
            WrongChannel("train", _one_line({"label": 1, "in0": [1], "in1": [40]}), _OUTSIDE),
            WrongChannel("train", _one_line({"label": 1, "in0": [1]}), '"in1" is not a list of token ids (record 1, file '),
            WrongChannel("train", _one_line({"label": 2, "in0": [1], "in1": [2]}), "is not one of the classes 0 to 1"),
            WrongChannel("train", Channel(JSON_LINES, {"pairs.jsonl": b'{"label":\n'}), "not JSON"),
            WrongChannel("validation", Channel(JSON_LINES, {"pairs.jsonl": b"\n"}), "No training data processed"),
            WrongChannel("train", Channel("text/csv", {"a.csv": b"1,2\n"}), "No iterator has been registered for ContentType"),
        ),
        wrong_requests=(
            ("application/json", b"{"),
            ("application/json", b'{"instances": [{"in2": [1]}]}'),
            ("application/json", b'{"instances": [{"in0": [40]}]}'),
            ("application/json", b'{"instances": [{"in0": [1.5]}]}'),
            (JSON_LINES, b'{"in0": "1 2"}\n'),
            (JSON_LINES, b""),
        ),
    )


_OUTSIDE = 'ClientError: Inconsistent vocab for in1 found. Vocab id "40" is not less than vocab_size=40'


def _one_line(document: dict[str, Any]) -> Channel:
    return Channel(JSON_LINES, {"pairs.jsonl": lines([document])})


def _check(invoke: Invoke) -> None:
    pairs = bags(100, 2)
    answer = invoke("application/json", json.dumps({"instances": pairs}).encode(), "application/json")
    scores = np.array([item["scores"] for item in json.loads(answer)["predictions"]])
    assert scores.shape == (100, 2)
    assert (scores.argmax(axis=1) == [pair["label"] for pair in pairs]).mean() >= 0.95
    embedded = invoke(JSON_LINES, lines([{"in1": pair["in1"]} for pair in pairs]), JSON_LINES).splitlines()
    assert [len(json.loads(line)["embeddings"]) for line in embedded] == [16] * 100
