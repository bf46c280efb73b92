"""Text classification on made-up sentences of which two words tell the class."""

from __future__ import annotations

import json

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.sentences import data_csv, sentences

_TEXT = "application/x-text"


def case() -> Case:
    """Label, text."""
    return Case(
        algorithm="text-classification",
        model_id="tensorflow-tc-small-bert-bert-en-uncased-L-2-H-128-A-2",
        hyperparameters={"epochs": "3", "batch_size": "16", "train_only_top_layer": "False"},
        channels={"training": Channel("text/csv", {"data.csv": data_csv(*sentences(240))})},
        requests={_TEXT: b"a lovely, superb bar"},
        artifact=("model.safetensors", "config.json", "tokenizer.json", "labels.json"),
        check=_check,
        metrics=("validation:accuracy",),
        wrong_hyperparameters=(
            WrongHyperparameter("optimizer", "lion", "'lion' is not one of"),
            WrongHyperparameter("batch_size", "2000", "'2000' is not valid under any of the given schemas"),
            WrongHyperparameter("validation_split_ratio", "1.0", "leaves none of 240 sentences for training"),
        ),
        wrong_channels=(
            WrongChannel("training", None, "'training' is a required property"),
            WrongChannel("training", Channel("text/csv", {"data.csv": b"good,some text\n"}), "labels are integers from 0 on"),
            WrongChannel("training", Channel("text/csv", {"data.csv": b"0,a\n2,b\n"}), "no sentence has the label 1"),
            WrongChannel("model", Channel("", {"config.json": b"{}"}), "has no model.safetensors"),
        ),
        wrong_requests=((_TEXT, b""), (_TEXT, b"\xff\xfe")),
    )


def _check(invoke: Invoke) -> None:
    texts, labels = sentences(40, seed=1)
    answers = [json.loads(invoke(_TEXT, text.encode(), "application/json;verbose")) for text in texts]
    assert [answer["predicted_label"] for answer in answers] == labels
    assert all(answer["labels"] == [0, 1] for answer in answers)
    brief = json.loads(invoke(_TEXT, texts[0].encode(), "application/json"))
    assert set(brief) == {"probabilities"}
    assert abs(sum(brief["probabilities"]) - 1) < 1e-6
