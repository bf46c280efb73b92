"""Decision trees and their ensembles: ``tree.json`` has a line for each node, a node before its left and its right half."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagewright_container.sparkml.bundle import Array, BundleError, Model

_LEAF = -1


@dataclass(frozen=True)
class Tree:
    """Arrays by node. ``values`` are the leaves': one number, or counts by class. ``sets`` has the categories of a categorical split."""

    feature: Array
    threshold: Array
    left: Array
    right: Array
    values: Array
    sets: dict[int, tuple[Array, bool]]

    def __call__(self, rows: Array) -> Array:
        """Rows of values."""
        at = np.zeros(len(rows), np.int64)
        while True:
            (open_,) = np.nonzero(self.feature[at] != _LEAF)
            if not len(open_):
                return np.asarray(self.values[at])
            node = at[open_]
            value = rows[open_, self.feature[node]]
            goes_left = value <= self.threshold[node]
            for split in set(node.tolist()) & self.sets.keys():
                categories, is_left = self.sets[split]
                here = node == split
                goes_left[here] = np.isin(value[here], categories) == is_left
            at[open_] = np.where(goes_left, self.left[node], self.right[node])


def read_tree(model: Model) -> Tree:
    """Raises BundleError."""
    file = model.folder / "tree.json"
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return _tree(lines)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BundleError(f"{model.folder.name}/{file.name} is no tree: {error}") from error


def _tree(lines: list[dict[str, Any]]) -> Tree:
    """Raises ValueError, KeyError."""
    count = len(lines)
    feature, left, right = np.full(count, _LEAF), np.zeros(count, np.int64), np.zeros(count, np.int64)
    threshold, sets = np.full(count, np.nan), {}
    waiting: list[int] = []  # nodes that have a left half and still need a right one
    for at, line in enumerate(lines):
        if at and lines[at - 1]["type"] == "internal":
            left[at - 1] = at
        elif at:
            right[waiting.pop()] = at
        if line["type"] != "internal":
            continue
        waiting.append(at)
        split = line["split"]
        feature[at] = int(split.get("featureIndex", 0))
        if split["type"] == "categorical":
            sets[at] = np.array(split.get("categories", []), np.float64), bool(split.get("isLeft", False))
        else:
            threshold[at] = float(split.get("threshold", 0))
    if waiting or not lines:
        raise ValueError("it ends before its last leaf")
    leaves = [_values(line) if line["type"] == "leaf" else None for line in lines]
    width = max(len(leaf) for leaf in leaves if leaf is not None)
    values = np.array([[np.nan] * width if leaf is None else leaf for leaf in leaves], np.float64)
    return Tree(feature, threshold, left, right, values, sets)


def _values(leaf: dict[str, Any]) -> list[float]:
    """Older bundles have the impurities of a classifier beside its answer."""
    if "values" in leaf:
        return [float(value) for value in leaf["values"]]
    impurities = leaf.get("impurities")
    return [float(value) for value in impurities] if impurities else [float(leaf["value"])]


def read_trees(model: Model) -> tuple[list[Tree], Array]:
    """The trees of an ensemble and their weights. Raises BundleError."""
    names = model.strings("trees")
    if any("/" in name or not name.strip(".") for name in names):
        raise BundleError(f"{model.folder.name}: trees have no such names")
    trees = [read_tree(Model.read(model.folder / name)) for name in names]
    weights = model.numbers("tree_weights") if model.has("tree_weights") else np.ones(len(trees))
    if not trees or len(weights) != len(trees):
        raise BundleError(f"{model.folder.name}: {len(trees)} trees and {len(weights)} weights")
    return trees, weights
