"""Classifiers and regressions: from a model to a function of rows of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from sagewright_container.sparkml.bundle import Array, BundleError, Model
from sagewright_container.sparkml.trees import read_tree, read_trees


class Scores(NamedTuple):
    """Of a classifier: rows of classes."""

    raw: Array
    probability: Array
    prediction: Array


Regression = Callable[[Array], Array]
Classifier = Callable[[Array], Scores]


def linear_regression(model: Model) -> Regression:
    """Raises BundleError."""
    coefficients, intercept = model.numbers("coefficients"), model.number("intercept")
    return lambda rows: rows @ coefficients + intercept


def decision_tree_regression(model: Model) -> Regression:
    """Raises BundleError."""
    tree = read_tree(model)
    return lambda rows: tree(rows)[:, 0]


def random_forest_regression(model: Model) -> Regression:
    """The mean of its trees. Raises BundleError."""
    trees, _ = read_trees(model)
    return lambda rows: np.asarray(np.mean([tree(rows)[:, 0] for tree in trees], axis=0))


def gbt_regression(model: Model) -> Regression:
    """Raises BundleError."""
    trees, weights = read_trees(model)
    return lambda rows: np.asarray(sum(weight * tree(rows)[:, 0] for tree, weight in zip(trees, weights)))  # noqa: B905


def logistic_regression(model: Model) -> Classifier:
    """Raises BundleError."""
    return _multinomial(model) if model.number("num_classes", 2) > 2 else _binary(model)


def _binary(model: Model) -> Classifier:
    coefficients, intercept = model.numbers("coefficients"), model.number("intercept")
    threshold = model.number("threshold", 0.5)

    def classify(rows: Array) -> Scores:
        margin = rows @ coefficients + intercept
        raw = np.column_stack([-margin, margin])
        probability = 1 / (1 + np.exp(-raw))
        return Scores(raw, probability, (probability[:, 1] > threshold).astype(np.float64))

    return classify


def _multinomial(model: Model) -> Classifier:
    """The matrix lies there column by column."""
    dimensions = model.dimensions("coefficient_matrix")
    if len(dimensions) != 2:
        raise BundleError(f"{model.folder.name}: coefficient_matrix is no matrix")
    matrix = model.numbers("coefficient_matrix").reshape(dimensions, order="F")
    intercepts, thresholds = model.numbers("intercept_vector"), _thresholds(model)

    def classify(rows: Array) -> Scores:
        raw = rows @ matrix.T + intercepts
        powers = np.exp(raw - raw.max(1, keepdims=True))
        probability = powers / powers.sum(1, keepdims=True)
        return Scores(raw, probability, _chosen(probability, thresholds))

    return classify


def decision_tree_classifier(model: Model) -> Classifier:
    """Raises BundleError."""
    tree, thresholds = read_tree(model), _thresholds(model)

    def classify(rows: Array) -> Scores:
        raw = tree(rows)
        probability = _shares(raw)
        return Scores(raw, probability, _chosen(probability, thresholds))

    return classify


def random_forest_classifier(model: Model) -> Classifier:
    """Every tree has one vote, which it divides. Raises BundleError."""
    trees, _ = read_trees(model)
    thresholds = _thresholds(model)

    def classify(rows: Array) -> Scores:
        raw = np.asarray(sum(_shares(tree(rows)) for tree in trees))
        probability = _shares(raw)
        return Scores(raw, probability, _chosen(probability, thresholds))

    return classify


def gbt_classifier(model: Model) -> Classifier:
    """Raises BundleError."""
    margins, thresholds = gbt_regression(model), _thresholds(model)

    def classify(rows: Array) -> Scores:
        margin = margins(rows)
        raw = np.column_stack([-margin, margin])
        probability = 1 / (1 + np.exp(-2 * raw))
        prediction = (margin > 0).astype(np.float64) if thresholds is None else _chosen(probability, thresholds)
        return Scores(raw, probability, prediction)

    return classify


REGRESSIONS: Mapping[str, Callable[[Model], Regression]] = {
    "linear_regression": linear_regression,
    "decision_tree_regression": decision_tree_regression,
    "random_forest_regression": random_forest_regression,
    "gbt_regression": gbt_regression,
}
CLASSIFIERS: Mapping[str, Callable[[Model], Classifier]] = {
    "logistic_regression": logistic_regression,
    "decision_tree_classifier": decision_tree_classifier,
    "random_forest_classifier": random_forest_classifier,
    "gbt_classifier": gbt_classifier,
}


def _thresholds(model: Model) -> Array | None:
    found = model.numbers("thresholds") if model.has("thresholds") else np.zeros(0)
    return found if len(found) else None


def _shares(counts: Array) -> Array:
    total = counts.sum(1, keepdims=True)
    shares: Array = np.divide(counts, total, out=np.zeros_like(counts), where=total != 0)
    return shares


def _chosen(probability: Array, thresholds: Array | None) -> Array:
    """The likeliest class; with thresholds, the one that is farthest above its own."""
    if thresholds is None:
        return np.asarray(probability.argmax(1), np.float64)
    scaled = np.divide(probability, thresholds, out=np.full_like(probability, np.inf), where=thresholds != 0)
    return np.asarray(scaled.argmax(1), np.float64)
