"""Object2Vec's parts (H07): settings, pairs, encoders, lazy slopes, batches, early stopping, pretrained vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.sequences import of_rows
from sagewright_algorithms.manifest import load
from sagewright_algorithms.object2vec import artifact, auxiliary, batches, pairs
from sagewright_algorithms.object2vec.network import Network
from sagewright_algorithms.object2vec.optimizers import Steps
from sagewright_algorithms.object2vec.pairs import MalformedPairsError, Pairs
from sagewright_algorithms.object2vec.settings import EncoderSettings, NetworkSettings, resolve
from sagewright_algorithms.object2vec.stopping import EarlyStopping
from sagewright_algorithms.object2vec.training import placed

NETWORKS = ("hcnn", "bilstm", "pooled_embedding")


def settings(network: str = "pooled_embedding", **more: Any) -> NetworkSettings:
    layers, width, dim = more.pop("layers", 1), more.pop("width", 3), more.pop("token_embedding_dim", 8)
    encoder = EncoderSettings(network, layers, 20, 50, dim, width, True, "", "")
    usual = NetworkSettings((encoder, encoder), 8, ("hadamard", "concat", "abs_diff"), 1, 6, "tanh", 2, 0.0, False)
    return replace(usual, **more)


def resolved(**given: str) -> NetworkSettings:
    return resolve(Hyperparameters(load("object2vec"), {"enc0_max_seq_len": "9", "enc0_vocab_size": "7", **given}))


def encode(network: Network, *rows: list[int]) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = network.encode(0, *placed(network, of_rows(rows))).numpy()
    return found


def test_auto_layers_and_defaults() -> None:
    """DG object2vec-hyperparameters: 4 layers for hcnn, 1 for bilstm."""
    found = resolved()
    assert [(encoder.network, encoder.layers) for encoder in found.encoders] == [("hcnn", 4), ("hcnn", 4)]
    assert (found.enc_dim, found.outputs, found.comparators) == (4096, 2, ("hadamard", "concat", "abs_diff"))
    assert resolved(enc0_network="bilstm").encoders[0].layers == 1
    assert resolved(output_layer="mean_squared_error", num_classes="5").outputs == 1


def test_enc1_as_enc0_takes_all_of_its_hyperparameters() -> None:
    """aws/sagemaker-python-sdk issue 834: enc1_vocab_size does not count then."""
    assert resolved(enc1_vocab_size="9").encoders[1].vocab_size == 7
    given = {"enc1_network": "bilstm", "enc1_vocab_size": "9", "enc1_max_seq_len": "3", "enc1_layers": "2"}
    other = resolved(**given).encoders[1]
    assert (other.network, other.vocab_size, other.max_seq_len, other.layers) == ("bilstm", 9, 3, 2)


def test_pooled_token_vectors_have_the_width_of_the_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    """AWS's log line (aws/sagemaker-python-sdk issue 934)."""
    found = resolved(enc0_network="pooled_embedding", enc_dim="100")
    assert [encoder.token_embedding_dim for encoder in found.encoders] == [100, 100]
    assert "100 vs 300. Setting token embedding dim to be 100" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {
                "tied_token_embedding_weight": "true",
                "enc1_network": "hcnn",
                "enc1_vocab_size": "9",
                "enc1_max_seq_len": "3",
            },
            "the same vocab_size for both encoders, not 7 and 9",
        ),
        ({"token_embedding_storage_type": "row_sparse", "optimizer": "rmsprop"}, "needs one of the optimizers"),
        ({"enc0_vocab_file": "../vocab.json"}, "must be a file name"),
        ({"comparator_list": "hadamard, minus"}, "is not valid under any of the given schemas"),
        ({"enc1_network": "hcnn", "enc1_vocab_size": "9"}, "'enc1_max_seq_len' is a required property"),
    ],
)
def test_contradictions_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        resolved(**given)


def test_settings_survive_the_artifact() -> None:
    network = Network(settings("hcnn", layers=3, tied=True))
    again = artifact.load(artifact.dump(network))
    assert again.settings == network.settings
    assert encode(again, [1, 2, 3]).tolist() == encode(network, [1, 2, 3]).tolist()
    assert len(again.tables) == 1
    with pytest.raises(ValueError, match="not a ZIP"):
        artifact.load(b"model")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("layers", "width", "dim"), [(1, 3, 8), (3, 2, 24), (2, 1, 24), (4, 9, 32)])
def test_a_vector_does_not_depend_on_the_rest_of_the_batch(network: str, layers: int, width: int, dim: int) -> None:
    """Padding changes nothing, whatever the layers and filter width."""
    torch.manual_seed(0)
    encoder = Network(settings(network, layers=layers, width=width, enc_dim=dim, token_embedding_dim=dim)).eval()
    rows = [[3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [], [5, 5]]
    together = encode(encoder, *rows)
    assert together.shape == (4, dim)
    for row, vector in zip(rows, together, strict=True):
        np.testing.assert_allclose(encode(encoder, row)[0], vector, atol=1e-6)
    assert not together[2].any()
    assert len({tuple(vector) for vector in together.tolist()}) == 4


def test_encoders_of_an_odd_width() -> None:
    for network in ("hcnn", "bilstm"):
        assert encode(Network(settings(network, layers=2, enc_dim=7)), [1, 2]).shape == (1, 7)


def test_the_mean_of_token_vectors() -> None:
    network = Network(settings())
    table = network.tables[0].detach().numpy()
    np.testing.assert_allclose(encode(network, [1, 1, 4])[0], (2 * table[1] + table[4]) / 3, rtol=1e-5)


def test_comparators_in_the_order_of_the_list() -> None:
    network = Network(settings(comparators=("abs_diff", "concat"), mlp_layers=0))
    left, right = torch.randn(2, 8), torch.randn(2, 8)
    features = torch.cat([(left - right).abs(), left, right], dim=1)
    assert torch.equal(network.compare(left, right), network.head(features))


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
def test_lazy_slopes_move_the_rows_of_the_batch_as_dense_ones_do(optimizer: str) -> None:
    """row_sparse: the first step is the same; rows that the batch does not have stay where they are."""
    moved = []
    for lazy in (False, True):
        torch.manual_seed(0)
        network = Network(settings(), lazy)
        start = network.tables[0].detach().clone()
        others = [item for item in network.parameters() if all(item is not table for table in network.tables)]
        steps = Steps(optimizer, 0.1, 0.01, others if lazy else network.parameters(), network.tables if lazy else ())
        sides = [network.encode(side, *placed(network, of_rows([[1, 2], [2]]))) for side in (0, 1)]
        steps.take(network.compare(*sides).square().sum())
        moved.append(network.tables[0].detach() - start)
    torch.testing.assert_close(moved[0][1:3], moved[1][1:3])
    assert not moved[1][3:].any()
    assert moved[0][3:].any(), "weight decay moves every row of a dense table"


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "sgd", "rmsprop", "adadelta"])
def test_every_optimizer_goes_downhill(optimizer: str) -> None:
    torch.manual_seed(0)
    network = Network(settings())
    steps = Steps(optimizer, 0.01, 0.0, network.parameters(), ())

    def loss() -> torch.Tensor:
        sides = [network.encode(side, *placed(network, of_rows([[1, 2], [3]]))) for side in (0, 1)]
        return torch.nn.functional.cross_entropy(network.compare(*sides), torch.tensor([0, 1]))

    before = loss().item()
    for _ in range(20):
        steps.take(loss())
    assert loss().item() < before


def test_documents_line_by_line() -> None:
    assert pairs.documents([b'{"a": 1}', b"[2]"]) == [{"a": 1}, [2]]
    assert list(map(len, pairs.blocks(b"1\n\n" * (pairs.BLOCK + 1)))) == [pairs.BLOCK, 1]
    with pytest.raises(MalformedPairsError) as caught:
        pairs.documents([b'{"a": 1}', b'{"a": '])
    assert caught.value.record == 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"in0": [1, 7]}, 'Inconsistent vocab for in0 found. Vocab id "7" is not less than vocab_size=7'),
        ({"in0": [-1]}, 'Vocab id "-1" is negative'),
        ({"in0": [True]}, "holds True, which is not a token id"),
        ({"in0": 3}, "is not a list of token ids"),
        ([1], "is not a list of token ids"),
        ({"in0": [1] * 5001}, "has 5001 tokens, more than 5000"),
    ],
)
def test_sequences_that_are_none(document: Any, words: str) -> None:
    with pytest.raises(MalformedPairsError, match=words) as caught:
        pairs.rows([{"in0": [2]}, document], "in0", 7, 10)
    assert caught.value.record == 2


def test_sequences_are_cut_and_taken() -> None:
    found = of_rows(pairs.rows([{"in0": [1, 2, 3]}, {"in0": []}, {"in0": [4]}], "in0", 7, 2))
    assert found.lengths.tolist() == [2, 0, 1]
    taken = found.take(np.array([2, 0, 1, 0]))
    assert (taken.tokens.tolist(), taken.starts.tolist()) == ([4, 1, 2, 1, 2], [0, 1, 3, 3, 5])


@pytest.mark.parametrize("width", [0, 3])
def test_batches_hold_every_pair_once(width: int) -> None:
    random = np.random.default_rng(0)
    left, right = (of_rows([[1] * int(random.integers(0, 10)) for _ in range(53)]) for _ in range(2))
    found = batches.shuffled(Pairs(left, right, np.zeros(53, np.float32)), 8, width, random)
    assert sorted(np.concatenate(found).tolist()) == list(range(53))
    assert max(map(len, found)) <= 8
    assert np.concatenate(found).tolist() != list(range(53))
    for batch in found if width else ():
        assert len(np.unique(left.lengths[batch] // width)) == len(np.unique(right.lengths[batch] // width)) == 1


@pytest.mark.parametrize(
    ("losses", "stops_after"),
    [
        ([1.0, 0.9, 0.8, 0.7, 0.6], None),
        ([1.0, 0.999, 0.998, 0.5], 3),
        ([1.0, 0.999, 0.5, 0.499, 0.498], 5),
        ([1.0, 2.0, 0.985, 2.0, 2.0], 5),
    ],
)
def test_early_stopping(losses: list[float], stops_after: int | None) -> None:
    """Two epochs in a row without a gain of 0.01."""
    stopping = EarlyStopping(2, 0.01)
    found = [stopping.stops(loss) for loss in losses]
    assert (found.index(True) + 1 if True in found else None) == stops_after


ENCODER = EncoderSettings("hcnn", 1, 4, 9, 2, 3, True, "vectors.txt", "vocab.json")


def vectors(folder: Path, content: str, vocabulary: str = '{"a": 0, "b c": 2}') -> tuple[NDArray[np.float32], int]:
    (folder / "vectors.txt").write_text(content)
    (folder / "vocab.json").write_text(vocabulary)
    return auxiliary.vectors(folder, ENCODER, np.random.default_rng(0), 0.1)


@pytest.mark.parametrize("head", ["", "3 2\n"])
def test_pretrained_vectors(tmp_path: Path, head: str) -> None:
    """GloVe's format, and fastText's with a first line of count and width; a word may hold spaces."""
    table, known = vectors(tmp_path, head + "a 1 2.5\nz 3 4\nb c -5 1e-1\n")
    assert known == 2
    np.testing.assert_allclose(table[[0, 2]], [[1, 2.5], [-5, 0.1]])
    assert (np.abs(table[[1, 3]]) <= 0.1).all()


@pytest.mark.parametrize(
    ("content", "vocabulary", "words"),
    [
        ("a 1 2 3\n", "{}", "holds vectors of 3 numbers, token_embedding_dim is 2"),
        ("z 1 2\na 1 x\n", '{"a": 0}', "malformed at the word 'a'"),
        ("a 1 2\n", '{"a": 4}', "has the id 4, which is not less than vocab_size=4"),
        ("a 1 2\n", '{"a": "0"}', "is not a JSON object from words to ids"),
        ("a 1 2\n", "{", "is not JSON"),
    ],
)
def test_pretrained_vectors_that_are_none(tmp_path: Path, content: str, vocabulary: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        vectors(tmp_path, content, vocabulary)


def test_a_file_that_the_auxiliary_channel_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"The auxiliary channel has no file vocab\.json"):
        auxiliary.vectors(tmp_path, ENCODER, np.random.default_rng(0), 0.1)
