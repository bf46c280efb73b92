"""Built-in algorithms beside a bare script that does the same with a library: reads the CSV, fits, writes the model.

Both run in a fork of a process that has their imports, in turns; the median of the rounds' ratios counts.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas
import xgboost
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, LatentDirichletAllocation
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler
from support.forks import forks
from support.ml_root import SOURCES, MlRoot
from support.numpy_jobs import configure, csv

from benchmarks.figures import Figure, median_no_worse
from sagewright_algorithms.manifest import load

_ROUNDS = 5
_PATIENCE = 300.0

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Contest:
    """``rows`` go to the train channel as CSV, label first where ``label_size`` is 1; ``bare`` fits them from that file."""

    algorithm: str
    against: str
    most: float
    rows: Table
    label_size: int
    hyperparameters: dict[str, str]
    bare: Callable[[Path, Path], None]


def figures() -> list[Figure]:
    return [_measured(contest) for contest in _contests()]


def _measured(contest: Contest) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        root = MlRoot(Path(folder, "ml"))
        data = root.write("input/data/train/rows.csv", csv(contest.rows))
        configure(root, contest.hyperparameters, train=f"text/csv;label_size={contest.label_size}")
        rounds = [(_ours(contest, root), _bare(contest, data, Path(folder))) for _ in range(_ROUNDS + 1)]
    rows, width = contest.rows.shape
    name = f"training {contest.algorithm}, {rows} x {width - contest.label_size}, against {contest.against}"
    return median_no_worse(name, rounds[1:], contest.most, "s")  # the first round warms both


def _ours(contest: Contest, root: MlRoot) -> float:
    environment = load(contest.algorithm).environment
    given = root.environment(SAGEWRIGHT_ALGORITHM=contest.algorithm)
    warm = forks(environment, os.pathsep.join(SOURCES))
    with _timed() as seconds:
        done = warm.run(["train"], given, _PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{contest.algorithm}: {root.failure() or done.stderr}")
    return seconds[0]


def _bare(contest: Contest, data: Path, folder: Path) -> float:
    with _timed() as seconds:
        child = os.fork()
        if child == 0:
            contest.bare(data, folder / "bare-model")
            os._exit(0)
        _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the bare {contest.algorithm} failed")
    return seconds[0]


@contextmanager
def _timed() -> Iterator[list[float]]:
    found: list[float] = []
    began = time.perf_counter()
    yield found
    found.append(time.perf_counter() - began)


def _contests() -> Iterator[Contest]:
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, 20)) * 4
    clouds = centres[random.integers(0, 20, 20_000)] + random.normal(size=(20_000, 20))
    features = random.normal(size=(20_000, 30))
    labels = (features @ random.normal(size=30) + random.normal(size=20_000) > 0).astype(float)
    labelled = np.column_stack([labels, features])
    words = random.poisson(random.gamma(0.1, 10, size=(2_000, 10)) @ random.dirichlet(np.full(100, 0.1), 10)).astype(float)
    yield Contest(
        "xgboost",
        "the library",
        1.15,
        labelled,
        1,
        {"objective": "binary:logistic", "num_round": "50", "nthread": "2"},
        _xgboost,
    )
    yield Contest("kmeans", "scikit-learn", 1.0, clouds, 0, {"k": "20", "feature_dim": "20"}, _kmeans)
    pca = {"num_components": "10", "feature_dim": "30", "mini_batch_size": "500", "subtract_mean": "true"}
    yield Contest("pca", "scikit-learn", 1.0, features, 0, pca, _pca)
    linear = {"predictor_type": "binary_classifier", "num_models": "32", "epochs": "5", "mini_batch_size": "1000"}
    yield Contest("linear-learner", "32 SGDClassifiers", 1.0, labelled, 1, linear, _linear)
    lda = {"num_topics": "10", "feature_dim": "100", "mini_batch_size": "2000"}
    yield Contest("lda", "scikit-learn", 1.15, words, 0, lda, _lda)


def _read(data: Path) -> Table:
    return pandas.read_csv(data, header=None).to_numpy()


def _xgboost(data: Path, model: Path) -> None:
    rows = _read(data)
    matrix = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    xgboost.train({"objective": "binary:logistic", "nthread": 2}, matrix, 50).save_model(model.with_suffix(".ubj"))


def _kmeans(data: Path, model: Path) -> None:
    joblib.dump(KMeans(20, n_init=10, random_state=0).fit(_read(data)), model)


def _pca(data: Path, model: Path) -> None:
    joblib.dump(PCA(10).fit(_read(data)), model)


def _linear(data: Path, model: Path) -> None:
    rows = _read(data)
    features = StandardScaler().fit_transform(rows[:, 1:])
    models = [
        SGDClassifier("log_loss", alpha=alpha, max_iter=5, tol=None, random_state=0).fit(features, rows[:, 0])
        for alpha in np.logspace(-7, -1, 32)
    ]
    joblib.dump(models, model)


def _lda(data: Path, model: Path) -> None:
    joblib.dump(LatentDirichletAllocation(10, random_state=0).fit(_read(data)), model)
