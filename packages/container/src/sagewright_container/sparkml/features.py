"""Transformers of features: from a model to a function from columns to columns, in the order of the ports.

A column is an array of scalars, of strings (objects), of lists of words (objects), or, of two dimensions, of vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sagewright_container.sparkml.bundle import Array, Model

Transform = Callable[[list[Array]], list[Array]]


def string_indexer(model: Model) -> Transform:
    """Raises BundleError."""
    if model.has("labels_length"):
        tables = [model.strings(f"labels_array_{number}") for number in range(int(model.number("labels_length")))]
    else:
        tables = [model.strings("labels")]
    keeps = model.text("handle_invalid", "error") == "keep"
    places = [{label: float(place) for place, label in enumerate(labels)} for labels in tables]

    def index(value: object, table: dict[str, float]) -> float:
        label = "null" if value is None else str(value)
        if label not in table and not keeps:
            raise ValueError(f"Unseen label: {label}. To handle unseen labels, set handleInvalid to keep")
        return table.get(label, float(len(table)))

    return lambda columns: [
        np.array([index(value, table) for value in column.tolist()])
        for column, table in zip(columns, places)  # noqa: B905
    ]


def reverse_string_indexer(model: Model) -> Transform:
    """Raises BundleError."""
    labels = np.array(model.strings("labels"), object)

    def reverse(columns: list[Array]) -> list[Array]:
        places = columns[0].astype(np.int64)
        if ((places < 0) | (places >= len(labels))).any():
            raise ValueError(f"an index is outside of the {len(labels)} labels")
        return [labels[places]]

    return reverse


def one_hot_encoder(model: Model) -> Transform:
    """Old bundles have the size of the vector that comes out. Raises BundleError."""
    drops, keeps = model.flag("drop_last"), model.text("handle_invalid", "error") == "keep"
    if model.has("size") and not model.has("drop_last"):
        return lambda columns: [_hot(columns[0], int(model.number("size")), None, False)]
    sizes = [int(model.number("size"))] if model.has("size") else model.numbers("category_sizes").astype(int).tolist()
    widths = [size + keeps - drops for size in sizes]
    return lambda columns: [
        _hot(column, width, size, keeps)
        for column, width, size in zip(columns, widths, sizes)  # noqa: B905 - Python 3.9
    ]


def _hot(column: Array, width: int, size: int | None, keeps: bool) -> Array:
    """``size`` categories are known; what is behind the last place of the vector has no 1 in it."""
    labels = column.astype(np.float64)
    if (labels != labels.astype(np.int64)).any():
        raise ValueError("invalid label, must be integer")
    unseen = (labels < 0) | (labels >= size) if size is not None else labels < 0
    if unseen.any() and not keeps:
        raise ValueError(f"Unseen value: {labels[unseen][0]}. To handle unseen values, set Param handleInvalid to keep")
    places = np.where(unseen, size or 0, labels).astype(np.int64)
    found = np.zeros((len(places), width))
    (within,) = np.nonzero(places < width)
    found[within, places[within]] = 1
    return found


def vector_assembler(_: Model) -> Transform:
    """Scalars and vectors side by side."""

    def assemble(columns: list[Array]) -> list[Array]:
        wide = [column.astype(np.float64) if column.ndim == 2 else column.astype(np.float64)[:, None] for column in columns]
        return [np.hstack(wide)]

    return assemble


def standard_scaler(model: Model) -> Transform:
    """Raises BundleError."""
    mean = model.numbers("mean") if model.has("mean") else np.zeros(1)
    deviation = model.numbers("std") if model.has("std") else np.ones(1)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation != 0)
    return lambda columns: [(columns[0] - mean) * scale]


def min_max_scaler(model: Model) -> Transform:
    """What is outside of the range that was seen is its nearest end; of a range without width, the middle. Raises BundleError."""
    low, high = model.numbers("min"), model.numbers("max")
    width = high - low

    def scale(columns: list[Array]) -> list[Array]:
        (rows,) = columns
        scaled = np.divide(rows - low, width, out=np.full(rows.shape, 0.5), where=width != 0)
        return [np.where(np.isnan(rows), rows, np.clip(scaled, 0, 1))]

    return scale


def binarizer(model: Model) -> Transform:
    """Raises BundleError."""
    threshold = model.number("threshold")
    return lambda columns: [(columns[0].astype(np.float64) > threshold).astype(np.float64)]


def bucketizer(model: Model) -> Transform:
    """The last bucket has its upper end. Ends that are infinite are null in a bundle. Raises BundleError."""
    splits = model.numbers("splits")
    splits[0] = -np.inf if np.isnan(splits[0]) else splits[0]
    splits[-1] = np.inf if np.isnan(splits[-1]) else splits[-1]
    keeps = model.text("handle_invalid", "error") == "keep"

    def place(columns: list[Array]) -> list[Array]:
        values = columns[0].astype(np.float64)
        outside = np.isnan(values) | (values < splits[0]) | (values > splits[-1])
        if (outside & ~(np.isnan(values) & keeps)).any():
            ends = f"[{splits[0]}, {splits[-1]}]"
            raise ValueError(f"Feature value {values[outside][0]} out of Bucketizer bounds {ends}.  Check your features, or loosen the lower/upper bound constraints.")  # fmt: skip
        buckets = np.minimum(np.searchsorted(splits, values, side="right") - 1, len(splits) - 2)
        return [np.where(outside, len(splits) - 1, buckets).astype(np.float64)]

    return place


def imputer(model: Model) -> Transform:
    """Raises BundleError."""
    old = model.has("imputeValue")
    surrogate = model.number("imputeValue" if old else "surrogate_value")
    missing = model.number("missingValue" if old else "missing_value", np.nan)

    def fill(columns: list[Array]) -> list[Array]:
        values = np.array([np.nan if value is None else value for value in columns[0].tolist()], np.float64)
        return [np.where(np.isnan(values) | (values == missing), surrogate, values)]

    return fill


def tokenizer(_: Model) -> Transform:
    """Words in lower case."""

    def split(columns: list[Array]) -> list[Array]:
        found = np.empty(len(columns[0]), object)
        found[:] = [str(value).lower().split() for value in columns[0].tolist()]
        return [found]

    return split


TRANSFORMERS: Mapping[str, Callable[[Model], Transform]] = {
    "string_indexer": string_indexer,
    "reverse_string_indexer": reverse_string_indexer,
    "one_hot_encoder": one_hot_encoder,
    "vector_assembler": vector_assembler,
    "standard_scaler": standard_scaler,
    "min_max_scaler": min_max_scaler,
    "binarizer": binarizer,
    "bucketizer": bucketizer,
    "imputer": imputer,
    "tokenizer": tokenizer,
}
