"""IP Insights: ten users, each at home in one network."""

from __future__ import annotations

import json

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

_RANDOM = np.random.default_rng(0)
_HOMES = [f"{20 * user + 11}.{(91 * user + 7) % 256}.{(57 * user + 3) % 256}" for user in range(10)]
_PAIRS = [f"user_{number % 10}, {_HOMES[number % 10]}.{_RANDOM.integers(1, 255)}" for number in range(3000)]


def case() -> Case:
    """Own networks are more usual than those of others."""
    return Case(
        algorithm="ipinsights",
        hyperparameters={
            "num_entity_vectors": "1000",
            "vector_dim": "16",
            "epochs": "20",
            "mini_batch_size": "200",
            "learning_rate": "0.02",
        },
        channels={
            "train": Channel("text/csv", {"events.csv": _lines(_PAIRS[:2500])}),
            "validation": Channel("text/csv", {"events.csv": _lines(_PAIRS[2500:])}),
        },
        requests={
            "text/csv": _lines(_PAIRS[:2]),
            "application/json": b'{"instances": [{"features": ["user_1", "10.1.0.7"]}]}',
            "application/jsonlines": b'{"features": ["user_1", "10.1.0.7"]}\n',
        },
        artifact=("model_algo-1",),
        check=_check,
        metrics=("validation:discriminator_auc", "train:progress"),
        wrong_hyperparameters=(
            WrongHyperparameter("vector_dim", "3", "is not valid under any of the given schemas"),
            WrongHyperparameter("num_entity_vectors", None, "'num_entity_vectors' is a required property"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel("text/csv", {"events.csv": b"user, 300.1.1.1\n"}), "is not an IPv4 address"),
            WrongChannel("train", Channel("text/csv", {"events.csv": b""}), "No training data processed"),
        ),
        wrong_requests=(("text/csv", b"user_1"), ("application/json", b'{"instances": [{"features": ["a", "b"]}]}')),
    )


def _lines(pairs: list[str]) -> bytes:
    return "".join(f"{pair}\n" for pair in pairs).encode()


def _check(invoke: Invoke) -> None:
    pairs = [f"user_{user}, {network}.9" for user in range(10) for network in _HOMES]
    predictions = json.loads(invoke("text/csv", _lines(pairs), "application/json"))["predictions"]
    scores = np.array([item["dot_product"] for item in predictions]).reshape(10, 10)
    assert (scores.argmax(axis=1) == np.arange(10)).mean() >= 0.9
