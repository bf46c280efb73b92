"""BlazingText as a classifier of two kinds of sentences: one word in each tells them apart."""

from __future__ import annotations

import json

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

_KINDS = ("good", "bad")


def sentences(count: int, seed: int = 0, labelled: bool = True) -> list[str]:
    """Twelve words that mean nothing, and somewhere between them "good" or "bad"."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        kind = _KINDS[number % 2]
        words = [f"word{place}" for place in random.integers(0, 200, 12)]
        words.insert(int(random.integers(0, 13)), kind)
        found.append(" ".join([f"__label__{kind}", *words] if labelled else words))
    return found


def case() -> Case:
    """Supervised mode; the modes that learn word vectors are in tests/unit/test_algorithms_blazingtext_jobs.py."""
    train, validation = ("\n".join(sentences(count, seed)).encode() for count, seed in ((600, 0), (100, 1)))
    return Case(
        algorithm="blazingtext",
        hyperparameters={
            "mode": "supervised",
            "vector_dim": "8",
            "buckets": "2000",
            "epochs": "10",
            "learning_rate": "0.3",
            "min_count": "1",
            "early_stopping": "True",
        },
        channels={
            "train": Channel("text/plain", {"train.txt": train}),
            "validation": Channel("text/plain", {"validation.txt": validation}),
        },
        requests={
            "application/json": json.dumps({"instances": sentences(3, 2, labelled=False), "configuration": {"k": 2}}).encode(),
            "application/jsonlines": b"".join(
                json.dumps({"source": text, "k": 1}).encode() + b"\n" for text in sentences(3, 2, labelled=False)
            ),
        },
        artifact=("model.bin",),
        check=_check,
        metrics=("train:accuracy", "validation:accuracy"),
        wrong_hyperparameters=(
            WrongHyperparameter("mode", None, "'mode' is a required property"),
            WrongHyperparameter("mode", "glove", "'glove' is not one of ['batch_skipgram', 'skipgram', 'cbow', 'supervised']"),
            WrongHyperparameter("epochs", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("epoch", "1", "Additional hyperparameters are not allowed ('epoch' was unexpected)"),
        ),
        wrong_channels=(
            WrongChannel("validation", None, "early_stopping is set to True, but there is no validation channel"),
            WrongChannel("train", Channel("text/plain", {"train.txt": b"no label here\n"}), "The channel train has no labels"),
            WrongChannel("train", Channel("text/csv", {"train.csv": train}), "No iterator has been registered"),
            WrongChannel("train", Channel("application/jsonlines", {"a.jsonl": b"{\n"}), "Unable to parse jsonlines: line 1"),
        ),
        wrong_requests=(
            ("application/json", b"{"),
            ("application/json", b'{"instances": [1]}'),
            ("application/json", b'{"instances": ["a"], "configuration": {"k": 0}}'),
            ("application/jsonlines", b'{"text": "a"}\n'),
        ),
    )


def _check(invoke: Invoke) -> None:
    body = json.dumps({"instances": sentences(100, 3, labelled=False)}).encode()
    answers = json.loads(invoke("application/json", body, ""))
    found = [answer["label"] for answer in answers]
    assert found == [[f"__label__{_KINDS[number % 2]}"] for number in range(100)]
    assert all(0.5 <= answer["prob"][0] <= 1 for answer in answers)
