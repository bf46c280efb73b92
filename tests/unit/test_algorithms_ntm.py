"""Parts of NTM: network, batches, stopping, topics, artifact (H12; algorithms.md 6.10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.bars import bars
from support.ml_root import MlRoot
from torch import nn

from sagewright_algorithms.common.cluster import ALONE
from sagewright_algorithms.common.data_parallel import DataParallel
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.matrix import CompressedRows
from sagewright_algorithms.manifest import load
from sagewright_algorithms.ntm import topics, vocabulary
from sagewright_algorithms.ntm.artifact import Dense, TopicModel
from sagewright_algorithms.ntm.batches import DenseDocuments, SparseDocuments, in_order, shuffled
from sagewright_algorithms.ntm.fitting import shape_of
from sagewright_algorithms.ntm.network import Network, Shape
from sagewright_algorithms.ntm.optimizers import Steps
from sagewright_algorithms.ntm.serve import Weigher
from sagewright_algorithms.ntm.stopping import Patience

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of a small network wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(batch_norm: bool = False, activation: str = "sigmoid") -> Network:
    torch.manual_seed(0)
    return Network(Shape(25, 4, (9, 7), activation, batch_norm))


def table(documents: int = 40) -> torch.Tensor:
    return torch.tensor(bars(documents).counts, dtype=torch.float32)


def test_the_loss_is_that_of_a_variational_autoencoder() -> None:
    """Against torch's own distributions."""
    made, counts = network().eval(), table()
    reconstruction, divergence = made(counts)
    hidden = made.encoder(torch.log1p(counts))
    posterior = torch.distributions.Normal(made.mean(hidden), torch.exp(made.spread(hidden) / 2))
    prior = torch.distributions.Normal(0.0, 1.0)
    assert torch.allclose(divergence, torch.distributions.kl_divergence(posterior, prior).sum(dim=1), atol=1e-4)
    logits = made.projection(torch.softmax(made.mean(hidden), dim=1))
    words = torch.distributions.Categorical(logits=logits[0])
    expected = -(counts[0] * words.log_prob(torch.arange(25))).sum()
    assert reconstruction[0].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_endpoint_says_what_the_network_says(batch_norm: bool, activation: str) -> None:
    """Through the artifact; batch normalisation is part of the layers there."""
    made, counts = network(batch_norm, activation), table()
    steps = Steps(made, DataParallel(ALONE, made), "sgd", 0.01, 0.0, 1.0, float("inf"))
    for _ in range(3):
        steps.step(sum(made(counts)))  # moves the normalisation's means, too
    made.eval()
    model = TopicModel.load(made.topic_model().dump())
    found = Weigher(model).predict(counts.numpy(), verbose=False)["topic_weights"]
    expected = torch.softmax(made.mean(made.encoder(torch.log1p(counts))), dim=1)
    assert found == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_sparse_documents_become_the_same_batches() -> None:
    counts = bars(30).counts.astype(np.float32)
    counts[4] = 0
    filled = [np.flatnonzero(row) for row in counts]
    starts = np.cumsum([0, *map(len, filled)])
    rows = CompressedRows(starts, np.concatenate(filled), counts[counts > 0], 25)
    places = torch.tensor([7, 4, 29, 0, 7])
    dense, sparse = DenseDocuments(counts, CPU), SparseDocuments(rows, 25, CPU)
    assert len(dense) == len(sparse) == 30
    assert torch.equal(sparse.batch(places), dense.batch(places))
    twice = CompressedRows(np.array([0, 2]), np.array([1, 1]), np.array([2, 3], np.float32), 3)
    assert SparseDocuments(twice, 3, CPU).batch(torch.tensor([0])).tolist() == [[0, 5, 0]]


def test_batches_in_random_order() -> None:
    """sub_sample takes a share of the documents; a batch of one cannot be normalised and goes with the one before."""
    found = list(shuffled(10, 3, 1.0, 1))
    assert [len(part) for part in found] == [3, 3, 3, 1]
    assert sorted(torch.cat(found).tolist()) == list(range(10))
    assert [len(part) for part in shuffled(10, 3, 1.0, 2)] == [3, 3, 4]
    assert sum(len(part) for part in shuffled(10, 3, 0.5, 1)) == 5
    assert sum(len(part) for part in shuffled(10, 3, 0.0, 1)) == 1
    assert [part.tolist() for part in in_order(3, 2)] == [[0, 1], [2]]


def test_gradients_are_scaled_and_cut() -> None:
    """Plain descent: the step is rate times gradient, scaled first, cut then; only weights decay."""
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.zeros_(layer.bias)
    steps = Steps(layer, DataParallel(ALONE, layer), "sgd", 0.1, 0.5, 0.5, 3.0)
    steps.step((layer(torch.tensor([[4.0]])) * torch.tensor([[2.0]])).flatten())  # slopes: weight 8, bias 2
    assert layer.weight.item() == pytest.approx(2 - 0.1 * (3 + 0.5 * 2))
    assert layer.bias.item() == pytest.approx(-0.1 * 1)


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "adadelta", "rmsprop"])
def test_every_optimizer_finds_better_parameters(name: str) -> None:
    made, counts = network(), table(200)
    steps = Steps(made, DataParallel(ALONE, made), name, 0.01, 0.0, 1.0, float("inf"))
    losses = []
    for _ in range(60):
        loss = sum(made(counts))
        losses.append(loss.mean().item())
        steps.step(loss)
    assert np.mean(losses[-5:]) < losses[0] - 2


def test_patience() -> None:
    """The loss must fall by the tolerance within the last epochs; the best parameters come back."""
    layer, patience = nn.Linear(1, 1, bias=False), Patience(2, 0.01)
    stops = []
    for epoch, loss in enumerate([100.0, 90, 80, 79.8, 79.7, 79.9], 1):
        nn.init.constant_(layer.weight, float(epoch))
        stops.append(patience.exhausted(layer, epoch, loss))
    assert stops == [False, False, False, False, True, True]
    patience.restore(layer)
    assert (layer.weight.item(), patience.best_epoch) == (5, 5)


def test_topics_and_what_is_said_of_them() -> None:
    """A word in two topics counts half; words that stand together are alike, words that never do are not."""
    projection = np.zeros((40, 2), np.float32)
    projection[:20, 0] = projection[10:30, 1] = 1
    best = topics.likeliest(projection)
    assert [set(row) for row in best.tolist()] == [set(range(20)), set(range(10, 30))]
    assert topics.uniqueness(best).tolist() == [0.75, 0.75]
    together = np.zeros((60, 40), np.float32)
    together[:20, :20], together[20:40, 20:30] = 1, 1
    together[np.arange(40, 60), np.tile(np.arange(30, 40), 2)] = 1
    alike, mixed = topics.coherence(best, together)
    assert alike == pytest.approx(1)
    assert 0 < mixed < 0.6
    apart = CompressedRows(np.arange(41), np.arange(40), np.ones(40, np.float32), 40)
    assert topics.coherence(best, apart) == pytest.approx([0, 0])


def test_lines_of_topics() -> None:
    """As AWS's log has them (the blog post on the auxiliary channel)."""
    found = [topics.Topic([1, 0], 0.75, 0.375), topics.Topic([2, 1], 0.5, 0.125)]
    assert topics.lines(found, ["sun", "sea", "snow"]) == [
        "Topics from epoch:final (num_topics:2) [wetc 0.25, tu 0.62]:",
        "[0.38, 0.75] sea sun",
        "[0.12, 0.50] snow sea",
    ]
    assert topics.lines(found, None) == ["Topics from epoch:final (num_topics:2) [tu 0.62]:", "[0.75] 1 0", "[0.50] 2 1"]


def test_a_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes("sun\r\nMünchen\r\n".encode())
    assert vocabulary.read(tmp_path, {}, 2) == ["sun", "München"]
    with pytest.raises(ClientError, match="No iterator"):
        vocabulary.read(tmp_path, {"ContentType": "text/csv"}, 2)


def _model(**changes: Dense) -> TopicModel:
    one = Dense(np.ones((1, 2), np.float32), np.ones(1, np.float32))
    parts = {"mean": one, "spread": one, "projection": Dense(np.ones((2, 1), np.float32), np.ones(2, np.float32)), **changes}
    return TopicModel("tanh", (), **parts)


def test_a_model_without_hidden_layers_can_be_read() -> None:
    assert TopicModel.load(_model().dump()).words == 2


@pytest.mark.parametrize(
    "content",
    [
        b"not a model",
        _model(mean=Dense(np.ones((1, 3), np.float32), np.ones(1, np.float32))).dump(),
        _model(projection=Dense(np.ones((2, 2), np.float32), np.ones(2, np.float32))).dump(),
    ],
)
def test_a_broken_model_is_not_served(tmp_path: Path, content: bytes) -> None:
    root = MlRoot(tmp_path / "ml")
    root.write("model/model_algo-1", content)
    with pytest.raises(AssertionError, match="Unable to load model"), root.serving(SAGEWRIGHT_ALGORITHM="ntm"):
        pass


@pytest.mark.parametrize(("text", "widths"), [("auto", (6, 4)), ("30, 20", (30, 20)), ("[30, 20]", (30, 20)), ('["7"]', (7,))])
def test_widths_of_the_encoder(text: str, widths: tuple[int, ...]) -> None:
    """DG:ntm_hyperparameters; the SDK sends a JSON list."""
    given = {"feature_dim": "5", "num_topics": "2", "encoder_layers": text}
    assert shape_of(Hyperparameters(load("ntm"), given)).layers == widths


def test_a_loss_that_is_no_number_ends_the_job(tmp_path: Path) -> None:
    root = MlRoot(tmp_path / "ml")
    root.write("input/data/train/a.csv", "1e30,0,0\n0,1e30,1\n" * 20)
    given = {"feature_dim": "3", "num_topics": "2", "optimizer": "sgd", "learning_rate": "1.0", "epochs": "5"}
    root.configure(given, train="text/csv;label_size=0")
    assert root.train(SAGEWRIGHT_ALGORITHM="ntm").returncode == 2
    assert "Lower learning_rate" in json.dumps(root.failure())
