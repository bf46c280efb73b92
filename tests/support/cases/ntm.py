"""The Neural Topic Model on bars; the train channel holds sparse records."""

from __future__ import annotations

import json

import numpy as np

from support.bars import TOPICS, WORDS, bars
from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.record_io import records

_DATA = bars(900, words=60)
_TRAIN, _VALIDATION, _TEST = _DATA.counts[:700], _DATA.counts[700:800], _DATA.counts[800:]
_RECORDIO, _CSV = "application/x-recordio-protobuf", "text/csv;label_size=0"
_VOCABULARY = "".join(f"wörd{number}\n" for number in range(WORDS)).encode()


def case() -> Case:
    """Ten topics, and the words by name."""
    few = _TEST[:4]
    sparse = [{"keys": np.flatnonzero(row).tolist(), "shape": [WORDS], "values": row[row > 0].tolist()} for row in few]
    return Case(
        algorithm="ntm",
        hyperparameters={
            "num_topics": str(TOPICS),
            "feature_dim": str(WORDS),
            "optimizer": "adam",
            "learning_rate": "0.02",
            "mini_batch_size": "64",
            "epochs": "40",
            "num_patience_epochs": "5",
        },
        channels={
            "train": Channel(_RECORDIO, {"train.pbr": records(_TRAIN, sparse=True)}),
            "validation": Channel(_CSV, {"validation.csv": csv(_VALIDATION)}),
            "test": Channel(_RECORDIO, {"test.pbr": records(_TEST)}),
            "auxiliary": Channel("text/plain", {"vocab.txt": _VOCABULARY}),
        },
        requests={
            "text/csv": csv(few),
            "application/json": json.dumps({"instances": [{"data": {"features": item}} for item in sparse]}).encode(),
            "application/jsonlines": b"".join(json.dumps({"features": row}).encode() + b"\n" for row in few.tolist()),
            _RECORDIO: records(few, sparse=True),
        },
        artifact=("model_algo-1",),
        check=_check,
        metrics=("train:total_loss", "validation:total_loss", "train:progress", "train:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("feature_dim", None, "'feature_dim' is a required property"),
            WrongHyperparameter("num_topics", "1", "'1' is not valid under any of the given schemas"),
            WrongHyperparameter("optimizer", "ftrl", "'ftrl' is not one of ['sgd', 'adam', 'adagrad', 'adadelta', 'rmsprop']"),
            WrongHyperparameter("encoder_layers", "20,x", "'20,x' is not valid under any of the given schemas"),
            WrongHyperparameter("epoch", "3", "Additional hyperparameters are not allowed ('epoch' was unexpected)"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel(_CSV, {"a.csv": csv(-_TRAIN)}), "a negative number of words"),
            WrongChannel("train", Channel(_CSV, {"a.csv": csv(0 * _TRAIN)}), "none of the documents has a word"),
            WrongChannel("validation", Channel(_CSV, {"a.csv": b"1,2\n"}), "cannot copy sequence with size 2"),
            WrongChannel("validation", Channel(_CSV, {"a.csv": b"1,2\n"}, "ShardedByS3Key"), "'ShardedByS3Key' is not one of"),
            WrongChannel(
                "auxiliary", Channel("text/plain", {"vocab.txt": b"a\nb\n"}), "vocab.txt has 2 lines, but feature_dim is 25"
            ),
            WrongChannel(
                "auxiliary", Channel("text/plain", {"vocab.txt": b"\xff\n" * WORDS}), "vocab.txt is not encoded in UTF-8"
            ),
            WrongChannel("auxiliary", Channel("text/plain", {"words.txt": _VOCABULARY}), "has no file vocab.txt"),
        ),
        wrong_requests=(
            ("text/csv", b"1,2,3"),
            ("text/csv", csv(-few)),
            ("application/json", b"{"),
            ("application/json", b'{"instances": [{"features": [1, 2]}]}'),
        ),
    )


def _check(invoke: Invoke) -> None:
    """Documents of one bar only: nearly each has a topic of its own."""
    predictions = json.loads(invoke("text/csv", csv(_DATA.topics * 60), "application/json"))["predictions"]
    weights = np.array([item["topic_weights"] for item in predictions])
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-5
    assert len(set(weights.argmax(axis=1).tolist())) >= TOPICS - 2
    assert weights.max(axis=1).mean() > 0.6
