"""Parts of LDA: moments, starts, mixtures (H13; algorithms.md 6.11)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from support.bars import bars
from support.ml_root import MlRoot

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.matrix import CompressedRows, Doubles
from sagewright_algorithms.lda import spectral, starts, variational
from sagewright_algorithms.lda.documents import DenseDocuments, Documents, SparseDocuments, of_rows

SEARCH = spectral.Search(concentration=1.0, restarts=3, iterations=200, tolerance=1e-10)


def both(counts: Doubles) -> list[Documents]:
    table = counts.astype(np.float32)
    return [DenseDocuments(table), SparseDocuments(csr_matrix(table))]


def apart(found: Doubles, true: Doubles) -> float:
    """Mean distance of the topics, paired as they fit best."""
    distances = np.abs(found[:, None, :] - true[None, :, :]).sum(axis=2)
    return float(distances[linear_sum_assignment(distances)].mean())


def independent(documents: int = 4000) -> tuple[Doubles, Doubles]:
    """Documents of three topics over twelve words, drawn as the model says."""
    random = np.random.default_rng(3)
    topics = random.dirichlet(np.full(12, 0.3), 3)
    mixtures = random.dirichlet(np.full(3, 1 / 3), documents)
    return np.array([random.multinomial(60, mixture @ topics) for mixture in mixtures], float), topics


def test_a_tensor_is_taken_apart() -> None:
    """Strengths and directions of a sum of three cubes."""
    random = np.random.default_rng(0)
    directions, strengths = np.linalg.qr(random.normal(size=(4, 4)))[0], np.array([4.0, 3.0, 2.0, 1.0])
    tensor = np.einsum("r,ri,rj,rk->ijk", strengths, directions, directions, directions)
    found, turned = spectral.decompose(tensor, SEARCH, random)
    again = np.einsum("r,ri,rj,rk->ijk", found, turned, turned, turned)
    assert again == pytest.approx(tensor, abs=1e-6)
    assert np.sort(found) == pytest.approx(np.sort(strengths), rel=1e-6)


def test_spectral_topics_of_independent_ones() -> None:
    """Dense and sparse documents tell the same."""
    counts, topics = independent()
    found = [spectral.topics(documents, 3, SEARCH, np.random.default_rng(0)) for documents in both(counts)]
    assert apart(found[0], topics) < 0.1
    assert apart(found[0], found[1]) < 1e-4
    assert found[0].sum(axis=1) == pytest.approx(np.ones(3))


def test_more_words_than_a_full_matrix_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, topics = independent()
    monkeypatch.setattr(spectral, "_FULL_MATRIX", 5)
    assert apart(spectral.topics(both(counts)[1], 3, SEARCH, np.random.default_rng(0)), topics) < 0.1


@pytest.mark.parametrize("counts", [np.eye(3), np.ones((2, 3)), np.array([[5.0, 0, 0]])], ids=["short", "alike", "one"])
def test_documents_that_tell_no_topics_apart(counts: Doubles) -> None:
    """Single documents stand in for what the moments do not have."""
    for documents in both(counts):
        found = starts.best(documents, 4, np.full(4, 0.25), SEARCH, np.random.default_rng(0))
        assert found.shape == (4, 3)
        assert np.isfinite(found).all()
        assert found.sum(axis=1) == pytest.approx(np.ones(4))


def test_each_pass_explains_the_documents_better() -> None:
    data = bars(400, words=60)
    dense, sparse = both(data.counts)
    seed = starts.single_documents(dense, 10, np.random.default_rng(0))
    passes = list(variational.improved(dense, np.full(10, 0.1), seed, 30))
    assert passes[-1].likelihood > passes[0].likelihood
    again = list(variational.improved(sparse, np.full(10, 0.1), seed, 30))
    assert again[-1].likelihood == pytest.approx(passes[-1].likelihood, abs=1e-3)
    assert passes[-1].topics.sum(axis=1) == pytest.approx(np.ones(10))


def test_a_mixture_does_not_depend_on_its_neighbours() -> None:
    data = bars(300)
    words, prior = variational.words_of(data.topics), np.full(10, 0.1)
    for documents in both(data.counts):
        together = variational.mixtures(documents, prior, words)
        alone = [variational.mixtures(both(data.counts[place : place + 1])[0], prior, words)[0] for place in range(20)]
        assert together[:20] == pytest.approx(np.array(alone), abs=1e-5)


def test_a_document_without_words_has_the_mean_mixture() -> None:
    words, prior = variational.words_of(bars(1).topics), np.array([0.5, 0.1, 0.4] + [0.01] * 7)
    for documents in both(np.zeros((1, 25))):
        assert variational.mixtures(documents, prior, words)[0] == pytest.approx(prior / prior.sum(), abs=1e-4)


def test_parts_hold_every_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagewright_algorithms.lda.documents._CELLS", 300)
    data = bars(50)
    for documents in both(data.counts):
        places = [place for place, _ in documents.parts(10)]
        assert [number for place in places for number in range(50)[place]] == list(range(50))
        assert len(places) > 3
        assert variational.mixtures(documents, np.full(10, 0.1), variational.words_of(data.topics)).shape == (50, 10)


def test_compressed_rows_may_name_a_word_twice() -> None:
    rows = CompressedRows(np.array([0, 3]), np.array([7, 2, 7]), np.array([1, 2, 3], np.float32), 9)
    for words in (10, 1000):
        found = of_rows(rows, words)
        assert isinstance(found, SparseDocuments) == (words == 1000)
        assert float(found.counts.sum()) == 6
        assert found.counts[0, 7] == 4


def test_a_model_of_aws_is_served(tmp_path: Path) -> None:
    """DG:lda-how-it-works: two arrays without names, alpha and beta; any file name that begins with model_."""
    root = MlRoot(tmp_path / "ml")
    alpha, beta = np.array([0.5, 0.5], np.float32), np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], np.float32)
    root.write("model/model_algo-1-0000", ndarray_file.dump([alpha, beta]))
    body = json.dumps({"instances": [{"features": [9, 9, 0, 0]}, {"features": [0, 5, 5, 0]}]}).encode()
    with root.serving(SAGEWRIGHT_ALGORITHM="lda") as served:
        first, second = json.loads(served.invoke(body, "application/json").body)["predictions"]
    assert first["topic_mixture"] == pytest.approx([18.5 / 19, 0.5 / 19], abs=0.01)
    assert second["topic_mixture"] == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize(
    "content",
    [
        b"not a model",
        ndarray_file.dump([np.ones(2, np.float32)]),
        ndarray_file.dump([np.ones(3, np.float32), np.ones((2, 5), np.float32)]),
        ndarray_file.dump([np.zeros(2, np.float32), np.ones((2, 5), np.float32)]),
    ],
)
def test_a_broken_model_is_not_served(tmp_path: Path, content: bytes) -> None:
    root = MlRoot(tmp_path / "ml")
    root.write("model/model_algo-1", content)
    with pytest.raises(AssertionError, match="Unable to load model"), root.serving(SAGEWRIGHT_ALGORITHM="lda"):
        pass
