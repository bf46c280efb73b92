"""Sequence-to-Sequence learns to reverse (algorithms/seq2seq.json, reference_quality), and its contract (H14)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cases.seq2seq import Pairs, records, reversals, text, vocabulary
from support.in_process import Workshop
from support.ml_root import MlRoot

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.recordio import decode
from sagewright_container.serving.message import Request

RECORDIO, JSON_LINES = "application/x-recordio-protobuf", "application/jsonlines"
TINY = {
    "rnn_num_hidden": "16",
    "cnn_num_hidden": "16",
    "num_embed_source": "8",
    "num_embed_target": "8",
    "learning_rate": "0.01",
    "batch_size": "20",
    "max_num_epochs": "1",
    "beam_size": "2",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Workshop:
    return Workshop("seq2seq", MlRoot(tmp_path / "ml"), monkeypatch, capsys)


def given(shop: Workshop, train: Pairs, validation: Pairs, words: int, **hyperparameters: str | None) -> None:
    shop.root.write("input/data/train/train.rec", records(train))
    shop.root.write("input/data/validation/val.rec", records(validation))
    for name in ("vocab.src.json", "vocab.trg.json"):
        shop.root.write(f"input/data/vocab/{name}", vocabulary(words))
    merged = {**TINY, **hyperparameters}
    types = {"train": RECORDIO, "validation": RECORDIO, "vocab": "application/json"}
    shop.root.configure({name: value for name, value in merged.items() if value is not None}, **types)


def tiny(shop: Workshop, **hyperparameters: str | None) -> None:
    given(shop, reversals(200, 8, 2, 4, 0), reversals(40, 8, 2, 4, 1), 8, **hyperparameters)


def metric(log: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf"validation {name} <\w+>=(\S+)", log)]


def exact(shop: Workshop, pairs: Pairs) -> float:
    found = shop.endpoint().predictions(*({"data": text(source)} for source, _ in pairs))
    return float(np.mean([item["target"] == text(target) for item, (_, target) in zip(found, pairs, strict=True)]))


@pytest.mark.slow
def test_thirty_words_in_reverse(shop: Workshop) -> None:
    """8000 pairs of 3 to 10 words. Reference 100 / 1.000 / 1.0004; must be BLEU >= 95 and perplexity <= 1.1."""
    given(
        shop,
        reversals(8000, 30, 3, 10, 0),
        reversals(500, 30, 3, 10, 1),
        30,
        rnn_num_hidden="64",
        num_embed_source="32",
        num_embed_target="32",
        learning_rate="0.005",
        batch_size="64",
        max_num_epochs="3",
        checkpoint_frequency_num_batches="125",
        bleu_sample_size="-1",
        beam_size="5",
    )
    log = shop.train()
    print(f"BLEU {metric(log, 'bleu')[-1]}, perplexity {metric(log, 'perplexity')[-1]}")
    assert metric(log, "bleu")[-1] >= 95
    assert metric(log, "perplexity")[-1] <= 1.1
    assert exact(shop, reversals(200, 30, 3, 10, 2)) >= 0.95


def test_a_few_words_in_reverse(shop: Workshop) -> None:
    """The same on three to five of eight words."""
    pairs = reversals(2000, 8, 3, 5, 0), reversals(60, 8, 3, 5, 1)
    given(shop, *pairs, 8, rnn_num_hidden="32", batch_size="32", max_num_epochs="3", bleu_sample_size="-1")
    log = shop.train()
    assert metric(log, "bleu")[-1] >= 95
    assert metric(log, "perplexity")[-1] <= 1.1
    assert exact(shop, reversals(60, 8, 3, 5, 2)) >= 0.95


def test_convolutions_learn_to_copy(shop: Workshop) -> None:
    pairs = [[(source, source) for source, _ in reversals(count, 8, 2, 4, seed)] for count, seed in ((1500, 0), (60, 1))]
    given(shop, *pairs, 8, encoder_type="cnn", decoder_type="cnn", cnn_num_hidden="32", batch_size="32", max_num_epochs="3")
    assert metric(shop.train(), "perplexity")[-1] <= 1.1
    assert exact(shop, pairs[1]) >= 0.95


@pytest.mark.parametrize(
    "more",
    [
        {"rnn_cell_type": "gru", "rnn_attention_type": "dot", "optimizer_type": "rmsprop", "rnn_decoder_state_init": "avg"},
        {
            "num_layers_encoder": "2",
            "num_layers_decoder": "2",
            "rnn_residual_connections": "true",
            "rnn_attention_type": "bilinear",
        },
        {
            "encoder_type": "cnn",
            "rnn_attention_type": "fixed",
            "rnn_attention_in_upper_layers": "false",
            "num_layers_decoder": "2",
        },
        {"decoder_type": "cnn", "cnn_activation_type": "relu", "cnn_hidden_dropout": "0.1", "weight_decay": "0.001"},
        {
            "optimizer_type": "sgd",
            "momentum": "0.9",
            "clip_gradient": "-1",
            "lr_scheduler_type": "fixed_rate_inv_sqrt_t",
            "embed_dropout_source": "0.1",
            "embed_dropout_target": "0.1",
            "rnn_decoder_hidden_dropout": "0.1",
            "weight_init_type": "uniform",
            "weight_init_scale": "0.2",
            "bucketing_enabled": "false",
            "max_seq_len_source": "3",
            "max_seq_len_target": "3",
            "training_metric": "accuracy",
        },
    ],
)
def test_the_same_job_gives_the_same_model(shop: Workshop, more: dict[str, str]) -> None:
    """Whatever the network, optimizer and schedule; and it learns something."""
    models = []
    for _ in range(2):
        tiny(shop, max_num_epochs="2", checkpoint_frequency_num_batches="10", **more)
        log = shop.train()
        models.append(shop.model())
    assert models[0] == models[1]
    assert set(models[0]) == {"params.best", "config", "vocab.src.json", "vocab.trg.json"}
    found = metric(log, "perplexity")
    assert len(found) == 2
    assert found[-1] < found[0] < 20
    assert 0 <= exact(shop, reversals(5, 8, 2, 3, 2)) <= 1


@pytest.mark.slow
def test_checkpoints_that_do_not_help_end_the_job(shop: Workshop) -> None:
    """checkpoint_threshold counts only without max_num_epochs; the best network is kept (DG seq-2-seq-hyperparameters)."""
    more = {"checkpoint_frequency_num_batches": "5", "checkpoint_threshold": "2", "learning_rate": "0.3"}
    tiny(shop, max_num_epochs=None, plateau_reduce_lr_threshold="1", **more)
    log = shop.train()
    assert "Early stop condition met" in log
    assert "Learning rate is now 0.15" in log
    found = metric(log, "perplexity")
    assert found.index(min(found)) == len(found) - 3
    best = shop.model()["params.best"]
    tiny(shop, max_num_epochs=None, max_num_batches=str(5 * (len(found) - 2)), plateau_reduce_lr_threshold="1", **more)
    shop.train()
    assert shop.model()["params.best"] == best
    tiny(shop, max_num_epochs="3", plateau_reduce_lr_threshold="1", **more)
    log = shop.train()
    assert "Early stop" not in log
    assert len(metric(log, "perplexity")) == 6
    assert re.findall(r"completed (\S+) % of epochs", log)[-1] == "100"


def test_no_early_stop_before_min_num_epochs(shop: Workshop) -> None:
    more = {"checkpoint_frequency_num_batches": "5", "checkpoint_threshold": "1", "learning_rate": "0.3"}
    tiny(shop, max_num_epochs=None, min_num_epochs="4", **more)
    assert int(re.findall(r"epoch=(\d+), validation", shop.train())[-1]) >= 4


def test_bleu_decides(shop: Workshop) -> None:
    """optimized_metric bleu without a sample size translates all validation pairs, with one only some."""
    tiny(shop, optimized_metric="bleu", max_num_batches="7")
    (value,) = metric(shop.train(), "bleu")
    assert 0 <= value <= 100
    tiny(shop, bleu_sample_size="3", max_num_batches="7")
    assert len(metric(shop.train(), "bleu")) == 1
    tiny(shop, max_num_batches="7")
    assert not metric(shop.train(), "bleu")


def test_every_way_to_ask(shop: Workshop) -> None:
    """DG seq-2-seq: text in JSON and JSON Lines, ids in RecordIO; the content type of the answer is that of the request."""
    tiny(shop, max_num_epochs="4")
    shop.train()
    asked, pairs = shop.endpoint(), reversals(5, 8, 2, 4, 2)
    found = [item["target"] for item in asked.predictions(*({"data": text(source)} for source, _ in pairs))]
    lines = b"".join(json.dumps({"source": text(source)}).encode() + b"\n" for source, _ in pairs)
    assert [json.loads(line)["target"] for line in asked.body(lines, JSON_LINES).splitlines()] == found
    ids = [record.features["target"].values.tolist() for record in decode(asked.body(records(pairs), RECORDIO))]
    assert [text([int(number) for number in row]) for row in ids] == found
    bad, good = Request(b"{", "application/json"), Request(lines, JSON_LINES, JSON_LINES)
    answers = asked.all(good, bad, good)
    assert [answer.status for answer in answers] == [200, 400, 200]
    assert [answer.content_type for answer in answers][::2] == [JSON_LINES, JSON_LINES]
    assert answers[0].body == answers[2].body
    assert asked.status(lines, JSON_LINES, "application/json") == 406
    assert asked.status(b"w1 w2", "text/plain") == 415


@pytest.mark.parametrize("asked_for", ["true", True])
def test_the_attention_matrix(shop: Workshop, asked_for: Any) -> None:
    """One row for each target token, one column for each source token, of this instance only."""
    tiny(shop, max_num_epochs="2")
    shop.train()
    matrix = {"configuration": {"attention_matrix": asked_for}}
    instances = [{"data": "w1 w2 w3 w4", **matrix}, {"data": "w1 w2"}, {"data": "never seen", **matrix}, {"data": "", **matrix}]
    first, second, third, fourth = shop.endpoint().predictions(*instances)
    assert np.shape(first["matrix"]) == (len(first["target"].split()), 4)
    assert np.sum(first["matrix"], axis=1) == pytest.approx(1)
    assert list(second) == ["target"]
    assert len(third["matrix"]) == len(third["target"].split())
    assert fourth == {"target": "", "matrix": []}


def test_long_sequences_are_cut(shop: Workshop) -> None:
    """max_seq_len_source and max_seq_len_target, in training and when asked."""
    tiny(shop, max_seq_len_source="2", max_seq_len_target="3", encoder_type="cnn", decoder_type="cnn")
    shop.train()
    cut, whole = shop.endpoint().predictions({"data": "w1 w2"}, {"data": "w1 w2 w3 w4 w5"})
    assert cut == whole
    assert len(whole["target"].split()) <= 3


def test_what_cannot_be_trained(shop: Workshop) -> None:
    tiny(shop, optimizer_type="sgd", learning_rate="1e30", clip_gradient="-1", max_num_epochs="3")
    shop.fails("The training loss is not finite")
    tiny(shop)
    shop.root.write("input/data/vocab/vocab.src.json", vocabulary(7))
    shop.fails("the source token 11, which is not an id of its vocabulary of 11 words")


def test_a_model_that_does_not_fit_together_is_not_served(shop: Workshop) -> None:
    tiny(shop, max_num_batches="1")
    shop.train()
    folder = shop.root.folder / "model"
    assert ndarray_file.load((folder / "params.best").read_bytes())["words.bias"].shape == (12,)
    (folder / "vocab.trg.json").write_bytes(vocabulary(9))
    with pytest.raises(ValueError, match="vocabularies of the model do not fit"):
        shop.endpoint()
    (folder / "config").write_text('{"network": {"x": 1}, "beam_size": 1}')
    with pytest.raises(ValueError, match="config of the model"):
        shop.endpoint()
