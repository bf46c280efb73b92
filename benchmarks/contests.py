"""What the built-in algorithms are asked to train beside a library: data, hyperparameters, and the bare script."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
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
from support import jumpstart_jobs
from support.cases import Channel
from support.cases.blazingtext import sentences
from support.ml_root import MlRoot
from support.numpy_jobs import configure, csv

from sagewright_algorithms.manifest import load

Table = NDArray[np.float64]
Bare = Callable[[Path, Path], None]
"""Reads what lies in input/data, fits, and writes the model."""


@dataclass(frozen=True)
class Contest:
    """``most``: how many times as long as the other one the algorithm may take. ``bare`` runs in a fork of the benchmark;
    a text instead names a function of peers/trainers.py, whose libraries have an environment of their own. ``told`` is the
    container's environment."""

    algorithm: str
    against: str
    most: float
    size: str
    prepare: Callable[[MlRoot], None]
    bare: Bare | str
    told: Mapping[str, str]
    rounds: int = 5


def contests() -> Iterator[Contest]:
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, 20)) * 4
    clouds = centres[random.integers(0, 20, 20_000)] + random.normal(size=(20_000, 20))
    features = random.normal(size=(20_000, 30))
    labels = (features @ random.normal(size=30) + random.normal(size=20_000) > 0).astype(float)
    labelled = np.column_stack([labels, features])
    words = random.poisson(random.gamma(0.1, 10, size=(2_000, 10)) @ random.dirichlet(np.full(100, 0.1), 10)).astype(float)
    boosting = {"objective": "binary:logistic", "num_round": "50", "nthread": "2"}
    yield _table("xgboost", "the library", 1.15, labelled, boosting, _xgboost, label_size=1)
    trees = {"num_boost_round": "200", "early_stopping_rounds": "200", "num_threads": "2", "feature_fraction": "1.0"}
    yield _boosted("lightgbm", labelled, {**trees, "bagging_fraction": "1.0", "bagging_freq": "0"}, _lightgbm)
    cat = {"iterations": "200", "early_stopping_rounds": "200", "thread_count": "2", "learning_rate": "0.1"}
    yield _boosted("catboost", labelled, cat, _catboost)
    yield _text()
    yield _table("kmeans", "scikit-learn", 1.0, clouds, {"k": "20", "feature_dim": "20"}, _kmeans)
    pca = {"num_components": "10", "feature_dim": "30", "mini_batch_size": "500", "subtract_mean": "true"}
    yield _table("pca", "scikit-learn", 1.0, features, pca, _pca)
    linear = {"predictor_type": "binary_classifier", "num_models": "32", "epochs": "5", "mini_batch_size": "1000"}
    yield _table("linear-learner", "32 SGDClassifiers", 1.0, labelled, linear, _linear, label_size=1)
    yield _table(
        "lda", "scikit-learn", 1.15, words, {"num_topics": "10", "feature_dim": "100", "mini_batch_size": "2000"}, _lda
    )
    near = {
        "k": "10",
        "feature_dim": "30",
        "predictor_type": "classifier",
        "sample_size": "20000",
        "faiss_index_ivf_nlists": "64",
    }
    yield _table("knn", "faiss IVFFlat", 1.15, labelled, {**near, "index_type": "faiss.IVFFlat"}, "faiss", label_size=1)
    forest = {"feature_dim": "20", "num_trees": "50", "num_samples_per_tree": "256"}
    yield _table("randomcutforest", "rrcf", 1.0, clouds, forest, "rrcf")
    yield _series()


def _table(
    algorithm: str, against: str, most: float, rows: Table, given: Mapping[str, str], bare: Bare | str, label_size: int = 0
) -> Contest:
    """CSV in the train channel, label first where ``label_size`` is 1."""

    def prepare(root: MlRoot) -> None:
        root.write("input/data/train/rows.csv", csv(rows))
        configure(root, dict(given), train=f"text/csv;label_size={label_size}")

    size = f"{rows.shape[0]} x {rows.shape[1] - label_size}"
    return Contest(algorithm, against, most, size, prepare, bare, {"SAGEWRIGHT_ALGORITHM": algorithm})


def _boosted(algorithm: str, rows: Table, given: Mapping[str, str], bare: Bare) -> Contest:
    """A model of JumpStart's, with a tenth of the rows for validation."""
    model, cut = f"{algorithm}-classification-model", len(rows) * 9 // 10
    files = {"train/data.csv": csv(rows[:cut]), "validation/data.csv": csv(rows[cut:])}

    def prepare(root: MlRoot) -> None:
        jumpstart_jobs.prepare(root, algorithm, model, given, {"training": Channel("text/csv", files)})

    told = {jumpstart_jobs.FRAMEWORK: load(algorithm).model(model).image}
    return Contest(algorithm, "the library", 1.15, f"{len(rows)} x {rows.shape[1] - 1}", prepare, bare, told)


def _text() -> Contest:
    given = {
        "mode": "supervised",
        "vector_dim": "50",
        "buckets": "200000",
        "epochs": "10",
        "min_count": "1",
        "word_ngrams": "2",
    }
    lines = sentences(40_000)

    def prepare(root: MlRoot) -> None:
        root.write("input/data/train/train.txt", "\n".join(lines) + "\n")
        root.configure(given, train="text/plain")

    told = {"SAGEWRIGHT_ALGORITHM": "blazingtext"}
    return Contest("blazingtext", "fastText", 1.15, f"{len(lines)} sentences", prepare, _fasttext, told)


def _series() -> Contest:
    """Daily cycles, ten epochs of ten batches on both sides."""
    random, hours = np.random.default_rng(0), np.arange(28 * 24)
    levels, phases = random.uniform(5, 30, (60, 1)), random.uniform(0, 24, (60, 1))
    values = levels * (1 + 0.5 * np.sin(2 * np.pi * (hours + phases) / 24) + random.normal(0, 0.05, (60, len(hours))))
    records = [{"start": "2024-01-01 00:00:00", "target": row.round(4).tolist()} for row in values]
    given = {"time_freq": "H", "context_length": "24", "prediction_length": "24", "epochs": "10"}

    def prepare(root: MlRoot) -> None:
        root.write("input/data/train/train.json", "".join(json.dumps(record) + "\n" for record in records))
        root.configure(given, train="json")

    told = {"SAGEWRIGHT_ALGORITHM": "forecasting-deepar"}
    return Contest("forecasting-deepar", "gluonts", 1.0, "60 x 672 hours", prepare, "gluonts", told, rounds=2)


def _read(data: Path) -> Table:
    return pandas.read_csv(data / "train" / "rows.csv", header=None).to_numpy()


def _xgboost(data: Path, model: Path) -> None:
    """Evaluated after each round, as the container does, because a job's metrics are made of that."""
    rows = _read(data)
    matrix = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    given = {"objective": "binary:logistic", "nthread": 2}
    xgboost.train(given, matrix, 50, evals=[(matrix, "train")], verbose_eval=False).save_model(model.with_suffix(".ubj"))


def _halves(data: Path) -> tuple[Table, Table]:
    train, validation = (
        pandas.read_csv(data / "training" / name / "data.csv", header=None) for name in ("train", "validation")
    )
    return train.to_numpy(), validation.to_numpy()


def _lightgbm(data: Path, model: Path) -> None:
    library = importlib.import_module("lightgbm")
    train, validation = (library.Dataset(rows[:, 1:], rows[:, 0]) for rows in _halves(data))
    given = {
        "objective": "binary",
        "metric": "binary_logloss",
        "num_leaves": 64,
        "max_depth": 6,
        "min_data_in_leaf": 3,
        "num_threads": 2,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    library.train(given, train, 200, [validation]).save_model(model)


def _catboost(data: Path, model: Path) -> None:
    library = importlib.import_module("catboost")
    train, validation = (library.Pool(rows[:, 1:], rows[:, 0]) for rows in _halves(data))
    given = {
        "depth": 6,
        "learning_rate": 0.1,
        "eval_metric": "AUC",
        "bootstrap_type": "Bayesian",
        "thread_count": 2,
        "sampling_frequency": "PerTreeLevel",
        "verbose": 1,
    }
    classifier = library.CatBoostClassifier(200, allow_writing_files=False, **given)
    classifier.fit(train, eval_set=validation).save_model(str(model))


def _fasttext(data: Path, model: Path) -> None:
    library = importlib.import_module("fasttext")
    given = {"dim": 50, "bucket": 200_000, "epoch": 10, "minCount": 1, "wordNgrams": 2, "thread": 2, "verbose": 0}
    text = str(data / "train" / "train.txt")
    trained = library.train_supervised(text, **given)
    trained.test(text)
    trained.save_model(str(model))


def _kmeans(data: Path, model: Path) -> None:
    joblib.dump(KMeans(20, n_init=10, random_state=0).fit(_read(data)), model)


def _pca(data: Path, model: Path) -> None:
    joblib.dump(PCA(10).fit(_read(data)), model)


def _linear(data: Path, model: Path) -> None:
    rows = _read(data)
    features = StandardScaler().fit_transform(rows[:, 1:])
    fit = partial(SGDClassifier, "log_loss", max_iter=5, tol=None, random_state=0)
    joblib.dump([fit(alpha=alpha).fit(features, rows[:, 0]) for alpha in np.logspace(-7, -1, 32)], model)


def _lda(data: Path, model: Path) -> None:
    joblib.dump(LatentDirichletAllocation(10, random_state=0).fit(_read(data)), model)
