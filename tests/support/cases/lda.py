"""Latent Dirichlet Allocation on bars; the train channel holds sparse records."""

from __future__ import annotations

import json

import numpy as np

from support.bars import TOPICS, WORDS, bars
from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.record_io import records

_DATA = bars(600, words=80)
_TRAIN, _TEST = _DATA.counts[:500], _DATA.counts[500:]
_RECORDIO = "application/x-recordio-protobuf"


def case() -> Case:
    """Ten topics."""
    few = _TEST[:4]
    sparse = [{"keys": np.flatnonzero(row).tolist(), "shape": [WORDS], "values": row[row > 0].tolist()} for row in few]
    return Case(
        algorithm="lda",
        hyperparameters={"num_topics": str(TOPICS), "feature_dim": str(WORDS), "mini_batch_size": "500", "max_restarts": "5"},
        channels={
            "train": Channel(_RECORDIO, {"train.pbr": records(_TRAIN, sparse=True)}),
            "test": Channel("text/csv;label_size=0", {"test.csv": csv(_TEST)}),
        },
        requests={
            "text/csv": csv(few),
            "application/json": json.dumps({"instances": [{"data": {"features": item}} for item in sparse]}).encode(),
            "application/jsonlines": b"".join(json.dumps({"features": row}).encode() + b"\n" for row in few.tolist()),
            _RECORDIO: records(few, sparse=True),
        },
        artifact=("model_algo-1",),
        check=_check,
        metrics=("test:pwll", "train:progress", "train:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("num_topics", None, "'num_topics' is a required property"),
            WrongHyperparameter("alpha0", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("mini_batch_size", "501", "the mini-batch size is too high"),
            WrongHyperparameter("topics", "2", "Additional hyperparameters are not allowed ('topics' was unexpected)"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel("text/csv;label_size=0", {"a.csv": csv(-_TRAIN)}), "a negative number of words"),
            WrongChannel(
                "train", Channel("text/csv;label_size=0", {"a.csv": csv(0 * _TRAIN)}), "none of the documents has a word"
            ),
            WrongChannel("test", Channel("text/csv;label_size=0", {"a.csv": b"1,2\n"}), "cannot copy sequence with size 2"),
        ),
        wrong_requests=(
            ("text/csv", b"1,2,3"),
            ("text/csv", csv(-few)),
            ("application/json", b"{"),
            ("application/json", b'{"instances": [{"data": {"features": {"keys": [25], "shape": [25], "values": [1]}}}]}'),
        ),
    )


def _check(invoke: Invoke) -> None:
    """Documents of one bar only: each has a topic of its own."""
    pure = _DATA.topics * 50
    predictions = json.loads(invoke("text/csv", csv(pure), "application/json"))["predictions"]
    mixtures = np.array([item["topic_mixture"] for item in predictions])
    assert np.abs(mixtures.sum(axis=1) - 1).max() < 1e-5
    assert (mixtures.max(axis=1) > 0.9).all()
    assert len(set(mixtures.argmax(axis=1).tolist())) == TOPICS
