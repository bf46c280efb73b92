"""Sequence-to-Sequence's parts (H14): records, buckets, layers, decoders step by step, beam search, schedules."""

from __future__ import annotations

import json
from array import array
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from support.cases.seq2seq import records, vocabulary

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.sequences import of_rows
from sagewright_algorithms.manifest import load
from sagewright_algorithms.recordio import MalformedRecordError, Record, Tensor, encode, frame
from sagewright_algorithms.seq2seq import buckets, evaluation, token_records
from sagewright_algorithms.seq2seq.beam_search import search
from sagewright_algorithms.seq2seq.lengths import LengthRatio
from sagewright_algorithms.seq2seq.network import Network, start
from sagewright_algorithms.seq2seq.schedule import LearningRate, Progress
from sagewright_algorithms.seq2seq.sentence_pairs import SentencePairs
from sagewright_algorithms.seq2seq.settings import NetworkSettings, resolve
from sagewright_algorithms.seq2seq.translator import Translator
from sagewright_algorithms.seq2seq.vocabulary import END, START, MalformedVocabularyError, Vocabulary

KINDS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "gru": {"rnn_cell_type": "gru", "rnn_decoder_state_init": "avg"},
    "deep": {"num_layers_encoder": 3, "num_layers_decoder": 3, "rnn_residual_connections": True},
    "deep, attention below": {
        "num_layers_decoder": 2,
        "rnn_attention_in_upper_layers": False,
        "rnn_decoder_state_init": "zero",
    },
    "dot": {"rnn_attention_type": "dot"},
    "dot of another width": {"rnn_attention_type": "dot", "rnn_attention_num_hidden": 3},
    "bilinear": {"rnn_attention_type": "bilinear"},
    "fixed": {"rnn_attention_type": "fixed"},
    "convolutions": {"encoder_type": "cnn", "decoder_type": "cnn", "num_layers_encoder": 2, "num_layers_decoder": 2},
    "wide convolutions": {
        "encoder_type": "cnn",
        "decoder_type": "cnn",
        "cnn_kernel_width_encoder": 4,
        "cnn_kernel_width_decoder": 1,
    },
    "recurrent to convolutions": {"decoder_type": "cnn", "cnn_activation_type": "tanh"},
    "convolutions to recurrent": {"encoder_type": "cnn", "cnn_activation_type": "softrelu"},
}


def settings(**more: Any) -> NetworkSettings:
    usual = resolve(Hyperparameters(load("seq2seq"), {"rnn_num_hidden": "8", "cnn_num_hidden": "6"}), 9, 7)
    return replace(usual, num_embed_source=5, num_embed_target=4, **more)


def network(**more: Any) -> Network:
    torch.manual_seed(0)
    made = Network(settings(**more))
    start(made, "xavier", 5.0, "avg")
    return made.eval()


def test_defaults() -> None:
    """DG seq-2-seq-hyperparameters: rnn_attention_num_hidden is rnn_num_hidden."""
    found = resolve(Hyperparameters(load("seq2seq"), {"rnn_num_hidden": "64"}), 9, 7)
    assert (found.rnn_attention_num_hidden, found.rnn_attention_type, found.rnn_cell_type) == (64, "mlp", "lstm")
    assert NetworkSettings.of_document(json.loads(json.dumps(found.document()))) == found


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_momentum_is_for_sgd(optimizer: str) -> None:
    with pytest.raises(ClientError, match="momentum is for the optimizer sgd"):
        resolve(Hyperparameters(load("seq2seq"), {"optimizer_type": optimizer, "momentum": "0.9"}), 9, 7)
    resolve(Hyperparameters(load("seq2seq"), {"optimizer_type": "sgd", "momentum": "0.9"}), 9, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_the_same_as_all_at_once(kind: str) -> None:
    made, sources = network(**KINDS[kind]), of_rows([[4, 5, 6], [7, 8]])
    targets = torch.tensor([[START, 4, 5, 6], [START, 6, 6, 4]])
    with torch.no_grad():
        expected = made(sources, targets)
        context = made.read(sources)
        state = made.decoder.start(context)
        for number in range(targets.shape[1]):
            hidden, weights, state = made.decoder.step(targets[:, number], state, context)
            torch.testing.assert_close(made.words(hidden), expected[:, number])
            torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
            assert weights[1, 2] == 0, "padding counts for nothing"
    if kind == "fixed":
        assert weights.tolist() == [[0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_does_not_depend_on_the_rest_of_the_batch(kind: str) -> None:
    made, targets = network(**KINDS[kind]), torch.tensor([[START, 4, 5]] * 3)
    rows = [[4], [5, 6, 7, 8, 4, 4, 4], [8, 8]]
    with torch.no_grad():
        together = made(of_rows(rows), targets)
        for row, found in zip(rows, together, strict=True):
            torch.testing.assert_close(made(of_rows([row]), targets[:1])[0], found)


@pytest.mark.parametrize("kind", ["lstm", "convolutions"])
def test_the_future_is_not_seen(kind: str) -> None:
    made, sources = network(**KINDS[kind]), of_rows([[4, 5, 6]])
    with torch.no_grad():
        first, second = (made(sources, torch.tensor([[START, 4, 5, last]])) for last in (5, 6))
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert not torch.allclose(first[:, 3], second[:, 3])


@pytest.mark.parametrize("kind", ["lstm", "convolutions"])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_best_target_of_all(kind: str, seed: int) -> None:
    """Against every target up to three tokens: the mean log probability of its tokens and its end."""
    made, row = network(**KINDS[kind]), np.random.default_rng(seed).integers(4, 9, 3).tolist()
    torch.manual_seed(seed)
    torch.nn.init.normal_(made.words.weight, std=2.0)
    scores: dict[tuple[int, ...], float] = {}
    for length in range(4):
        targets = list(product([1, 4, 5, 6], repeat=length))
        scores |= dict(zip(targets, _scores(made, row, targets), strict=True))
    (found,) = search(made, of_rows([row]), 125, np.array([3]))
    best = max(scores, key=lambda tokens: scores[tokens])
    assert tuple(found.tokens) == best
    assert found.matrix.shape == (len(best), 3)
    together = search(made, of_rows([[4, 4, 8, 5], row]), 125, np.array([3, 3]))
    assert together[1].tokens == found.tokens
    np.testing.assert_allclose(together[1].matrix, found.matrix, atol=1e-5)


def _scores(made: Network, row: list[int], targets: list[tuple[int, ...]]) -> list[float]:
    """Of targets of one length. <pad> and <s> are no tokens of a target."""
    given = torch.tensor(targets, dtype=torch.long).reshape(len(targets), -1)
    begin, end = (torch.full((len(targets), 1), token) for token in (START, END))
    with torch.no_grad():
        logits = made(of_rows([row] * len(targets)), torch.cat([begin, given], dim=1))
    logits[:, :, [0, START]] = -torch.inf
    wanted = torch.cat([given, end], dim=1)
    found: list[float] = logits.log_softmax(dim=2).gather(2, wanted[:, :, None]).mean(dim=1)[:, 0].tolist()
    return found


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_targets_end_where_they_have_to(beam: int) -> None:
    made = network()
    torch.nn.init.constant_(made.words.bias[END : END + 1], -50.0)  # it never wants to
    found = search(made, of_rows([[4, 5], [6, 7, 8]]), beam, np.array([2, 4]))
    assert [len(answer.tokens) for answer in found] == [2, 4]


def test_translations_in_the_order_of_their_sources() -> None:
    translator = Translator(network(), 3, LengthRatio(1.0, 0.0))
    rows = [[4, 5, 6, 7, 8], [], [4], [5, 5, 5]]
    together = translator.translate(of_rows(rows))
    assert together[1].tokens == []
    for row, answer in zip(rows, together, strict=True):
        assert translator.translate(of_rows([row]))[0].tokens == answer.tokens


def test_how_long_a_target_may_become() -> None:
    """Two standard deviations above the mean, five more, and never above max_seq_len_target."""
    assert LengthRatio(1.5, 0.25).longest(np.array([1, 10, 100]), 50).tolist() == [7, 25, 50]


def test_perplexity_and_accuracy_by_hand() -> None:
    made, pairs = network(), SentencePairs(of_rows([[4, 5], [6]]), of_rows([[4], [5, 6, 4]]))
    entropies, right = [], []
    for source, target in zip(pairs.source.rows(), pairs.target.rows(), strict=True):
        with torch.no_grad():
            likely = made(of_rows([source]), torch.tensor([[START, *target]]))[0].log_softmax(dim=1)
        wanted = torch.tensor([*target, END])
        entropies += (-likely[torch.arange(len(wanted)), wanted]).tolist()
        right += (likely.argmax(dim=1) == wanted).tolist()
    found = evaluation.evaluate(made, pairs)
    assert found["perplexity"] == pytest.approx(np.exp(np.mean(entropies)), rel=1e-5)
    assert found["accuracy"] == pytest.approx(np.mean(right))


@pytest.mark.parametrize(
    ("kind", "scale", "factor", "bound"),
    [("uniform", 0.3, "in", 0.3), ("xavier", 3.0, "in", 1.0), ("xavier", 6.0, "out", 1.0), ("xavier", 4.5, "avg", 1.0)],
)
def test_weights_start_as_those_of_mxnet(kind: str, scale: float, factor: str, bound: float) -> None:
    made = Network(replace(settings(), rnn_num_hidden=6, num_embed_source=3))
    start(made, kind, scale, factor)
    weights = {"in": made.encoder.embedding.weight, "out": made.decoder.combine.weight, "avg": None}[factor]
    if factor == "avg":  # 3 inputs and 4 * 3 outputs
        weights, bound = made.encoder.both_ways.weight_ih_l0, (scale / 7.5) ** 0.5
    assert weights is not None
    assert bound * 0.8 < weights.abs().max() <= bound
    assert not made.words.bias.any()


def test_learning_rates() -> None:
    """DG seq-2-seq-hyperparameters: half of it after the half life; reduced when checkpoints do not help."""
    for kind in ("fixed_rate_inv_t", "fixed_rate_inv_sqrt_t"):
        rate = LearningRate(kind, 0.8, 0.5, 3, 1000)
        assert (rate.at(0), rate.at(1000)) == (0.8, pytest.approx(0.4))
        assert not rate.checkpoint(3)
    plateau = LearningRate("plateau_reduce", 0.8, 0.5, 2, 1000)
    assert [(plateau.checkpoint(idle), plateau.at(99)) for idle in (0, 1, 2, 3, 4, 0)] == [
        (False, 0.8),
        (False, 0.8),
        (True, 0.4),
        (False, 0.4),
        (True, 0.2),
        (False, 0.2),
    ]


def test_progress_of_checkpoints() -> None:
    smaller, larger = Progress(larger=False), Progress(larger=True)
    assert [(smaller.note(value), smaller.idle) for value in (3.0, 2.0, 2.0, 2.5, 1.0)] == [
        (True, 0),
        (True, 0),
        (False, 1),
        (False, 2),
        (True, 0),
    ]
    assert [larger.note(value) for value in (0.0, 0.5, 0.4)] == [True, True, False]
    assert Progress(larger=False).note(np.inf), "there must be a model"


def test_buckets_take_scaled_steps_on_the_shorter_side() -> None:
    """DG seq-2-seq-hyperparameters, bucket_width."""
    assert buckets.define(10, (25, 25), 1.0).tolist() == [[10, 10], [20, 20], [25, 25]]
    assert buckets.define(10, (30, 30), 2.0).tolist() == [[5, 10], [10, 20], [15, 30], [20, 30], [25, 30], [30, 30]]
    assert buckets.define(10, (30, 10), 0.5).tolist() == [[10, 5], [20, 10], [30, 10]]


def test_batches_hold_every_pair_of_a_bucket_once() -> None:
    random = np.random.default_rng(0)
    sides = [of_rows([[4] * int(random.integers(1, 31)) for _ in range(97)]) for _ in range(2)]
    numbers = buckets.of_pairs(SentencePairs(sides[0], sides[1]), 5, (30, 30))
    found = list(buckets.batches(numbers, 8, random))
    assert sorted(np.concatenate(found).tolist()) == list(range(97))
    assert all(len(batch) <= 8 and len(set(numbers[batch].tolist())) == 1 for batch in found)
    assert (np.diff([numbers[batch[0]] for batch in found]) < 0).any(), "the order of the batches is random"


ROWS = [([1, 127, 128], [16384, 3]), ([5], []), ([], [7]), ([2**31 - 1], [0])]


def test_records_all_at_once() -> None:
    found = token_records.read(records(ROWS))
    assert found["source"].rows() == [source for source, _ in ROWS]
    assert found["target"].rows() == [target for _, target in ROWS]
    assert token_records.read(b"") == {} or not len(token_records.read(b"")["source"])


def test_records_of_any_form() -> None:
    """Other tensors, more features, labels, numbers one by one: the general reader takes them."""
    usual = Record(
        {"source": Tensor(array("f", [4, 5])), "other": Tensor(array("f", [0.5])), "target": Tensor(array("i", [6]))}
    )
    unpacked = bytes.fromhex("0a10 0a06736f75726365 1206 3a04 0804 0805".replace(" ", ""))
    packed = bytes.fromhex("0a10 0a06736f75726365 1206 3a04 0a02 0405".replace(" ", ""))
    target = bytes.fromhex("0a0f 0a06746172676574 1205 3a03 0a01 07".replace(" ", ""))
    nothing = bytes.fromhex("0a0a 0a06746172676574 1200".replace(" ", ""))  # what protobuf writes for a tensor without numbers
    found = token_records.read(encode([usual]) + frame(unpacked + target) + frame(packed + nothing) + frame(target + packed))
    assert found["source"].rows() == [[4, 5]] * 4
    assert found["target"].rows() == [[6], [7], [], [7]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"abc", "the last frame is cut off"),
        (encode([Record({"target": Tensor(array("i", [4]))})]), 'a Record without the feature "source"'),
        (encode([Record({"source": Tensor(array("i", [4]))})]), 'a Record without the feature "target"'),
        (encode([Record({"source": Tensor(array("f", [4.5])), "target": Tensor(array("i", [4]))})]), "not integers"),
        (frame(bytes.fromhex("0a0f0a06736f7572636512053a030a01840a0f0a0674617267657412053a030a0104")), "a varint is cut off"),
    ],
)
def test_records_that_are_none(content: bytes, words: str) -> None:
    with pytest.raises(MalformedRecordError, match=words):
        token_records.read(content)


def test_negative_numbers_are_read_as_such() -> None:
    assert token_records.read(records([([-1, 5], [-7])]))["source"].rows() == [[-1, 5]]


def test_a_vocabulary() -> None:
    words = Vocabulary(vocabulary(3))
    assert len(words) == 7
    assert words.ids(" w0 w2\tnever ") == [4, 6, 1]
    assert words.text([4, 1, 6, 99]) == "w0 <unk> w2 <unk>"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object from words to ids"),
        (b'{"<pad>": "0"}', "not a JSON object from words to ids"),
        (b'{"<pad>": 0, "<unk>": 1, "<s>": 3, "</s>": 2}', "the id of <s> must be 2, it is 3"),
    ],
)
def test_vocabularies_that_are_none(content: bytes, words: str) -> None:
    with pytest.raises(MalformedVocabularyError, match=words):
        Vocabulary(content)
