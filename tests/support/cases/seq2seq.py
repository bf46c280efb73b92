"""Sequence-to-Sequence on words in reverse order."""

from __future__ import annotations

import json
from array import array

import numpy as np

from sagewright_algorithms.recordio import Record, Tensor, decode, encode
from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

RECORDIO, JSON_LINES = "application/x-recordio-protobuf", "application/jsonlines"
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
Pairs = list[tuple[list[int], list[int]]]


def vocabulary(words: int) -> bytes:
    """The special ones, then w0, w1, …"""
    return json.dumps({word: number for number, word in enumerate(SPECIAL + [f"w{word}" for word in range(words)])}).encode()


def reversals(count: int, words: int, shortest: int, longest: int, seed: int) -> Pairs:
    """Sources of random words, and the same words from the last to the first."""
    random = np.random.default_rng(seed)
    sources = [(4 + random.integers(0, words, random.integers(shortest, longest + 1))).tolist() for _ in range(count)]
    return [(source, source[::-1]) for source in sources]


def records(pairs: Pairs) -> bytes:
    """As AWS's create_vocab_proto.py writes them."""

    def record(source: list[int], target: list[int]) -> Record:
        return Record({"source": Tensor(array("i", source)), "target": Tensor(array("i", target))})

    return encode(record(source, target) for source, target in pairs)


def text(ids: list[int]) -> str:
    """The words of ``vocabulary``."""
    return " ".join(f"w{number - 4}" for number in ids)


def case() -> Case:
    """Eight words, two to four of them."""
    asked = reversals(5, 8, 2, 4, 2)
    channels = {
        name: records(reversals(count, 8, 2, 4, seed)) for name, count, seed in (("train", 2000, 0), ("validation", 100, 1))
    }
    words = {name: vocabulary(8) for name in ("vocab.src.json", "vocab.trg.json")}
    return Case(
        algorithm="seq2seq",
        hyperparameters={
            "rnn_num_hidden": "32",
            "num_embed_source": "16",
            "num_embed_target": "16",
            "learning_rate": "0.01",
            "batch_size": "32",
            "max_num_epochs": "2",
            "checkpoint_frequency_num_batches": "60",
            "bleu_sample_size": "20",
            "beam_size": "2",
        },
        channels={
            **{name: Channel(RECORDIO, {"pairs.rec": content}) for name, content in channels.items()},
            "vocab": Channel("application/json", words),
        },
        requests={
            "application/json": json.dumps({"instances": [{"data": text(source)} for source, _ in asked]}).encode(),
            JSON_LINES: b"".join(json.dumps({"source": text(source)}).encode() + b"\n" for source, _ in asked),
            RECORDIO: records([(source, []) for source, _ in asked]),
        },
        artifact=("params.best", "config", "vocab.src.json", "vocab.trg.json"),
        check=_check,
        metrics=("validation:perplexity", "validation:accuracy", "validation:bleu"),
        wrong_hyperparameters=(
            WrongHyperparameter("rnn_num_hidden", "33", "rnn_num_hidden must be a multiple of 2"),
            WrongHyperparameter("rnn_cell_type", "rnn", "'rnn' is not one of ['lstm', 'gru']"),
            WrongHyperparameter("learning_rate", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("momentum", "0.9", "momentum is for the optimizer sgd, not for adam"),
            WrongHyperparameter("num_layers", "1", "Additional hyperparameters are not allowed ('num_layers' was unexpected)"),
        ),
        wrong_channels=(
            *(WrongChannel(name, None, f"'{name}' is a required property") for name in ("train", "validation", "vocab")),
            WrongChannel("train", Channel(RECORDIO, {"pairs.rec": b"abc"}), "Unable to read recordio-protobuf"),
            WrongChannel("train", Channel(RECORDIO, {"pairs.rec": records([([4], [])])}), "No training data processed"),
            WrongChannel(
                "train", Channel(RECORDIO, {"pairs.rec": records([([4], [12])])}), "has the target token 12, which is not"
            ),
            WrongChannel(
                "validation", Channel("text/csv", {"a.csv": b"1\n"}), "No iterator has been registered for ContentType"
            ),
            WrongChannel("vocab", Channel("application/json", {"vocab.src.json": vocabulary(8)}), "no file vocab.trg.json"),
            WrongChannel(
                "vocab", Channel("application/json", {**words, "vocab.trg.json": b'{"a": 0}'}), "the id of <pad> must be 0"
            ),
        ),
        wrong_requests=(
            ("application/json", b"{"),
            ("application/json", b'{"instances": [{"source": "w1"}]}'),
            (JSON_LINES, b'{"data": "w1"}\n'),
            (RECORDIO, b"abc"),
            (RECORDIO, records([([12], [])])),
        ),
    )


def _check(invoke: Invoke) -> None:
    pairs = reversals(50, 8, 2, 4, 3)
    instances = [{"data": text(source)} for source, _ in pairs]
    answer = invoke("application/json", json.dumps({"instances": instances}).encode(), "")
    found = [item["target"] for item in json.loads(answer)["predictions"]]
    assert np.mean([item == text(target) for item, (_, target) in zip(found, pairs, strict=True)]) >= 0.9
    ids = [record.features["target"].values.tolist() for record in decode(invoke(RECORDIO, records(pairs), RECORDIO))]
    assert [text([int(number) for number in row]) for row in ids] == found
