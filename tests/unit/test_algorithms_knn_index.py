"""Indexes of k-NN: what they find, and the files, which are faiss's byte for byte (algorithms.md 6.4)."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sagewright_algorithms.knn.index import Flat, Index, Metric, lists
from sagewright_algorithms.knn.index_file import MalformedIndexError, dump, load

RANDOM = np.random.default_rng(2)
ROWS = RANDOM.normal(size=(600, 8)).astype(np.float32)
QUERIES = RANDOM.normal(size=(20, 8)).astype(np.float32)


def indexes() -> dict[str, Index]:
    return {
        "flat": Flat(ROWS),
        "product": Flat(ROWS, "INNER_PRODUCT"),
        "lists": lists(ROWS, "L2", 10, 5, None, np.random.default_rng(0)),
        "quantized": lists(ROWS, "L2", 10, 5, 4, np.random.default_rng(0)),
    }


@pytest.mark.parametrize("metric", ["L2", "INNER_PRODUCT"])
def test_flat_is_exact(metric: Metric) -> None:
    distances, ids = Flat(ROWS, metric).search(QUERIES, 7)
    exact = np.square(QUERIES[:, None] - ROWS).sum(axis=2) if metric == "L2" else -(QUERIES @ ROWS.T)
    order = np.argsort(exact, axis=1, kind="stable")[:, :7]
    assert ids.tolist() == order.tolist()
    assert np.abs(distances) == pytest.approx(np.abs(np.take_along_axis(exact, order, 1)), abs=1e-4)


def test_lists_find_most_and_all_when_every_list_is_visited() -> None:
    exact = Flat(ROWS).search(QUERIES, 5)[1]
    some = lists(ROWS, "L2", 10, 5, None, np.random.default_rng(0)).search(QUERIES, 5)[1]
    every = lists(ROWS, "L2", 10, 10, None, np.random.default_rng(0)).search(QUERIES, 5)[1]
    assert every.tolist() == exact.tolist()
    assert np.mean([len({*found} & {*right}) for found, right in zip(some.tolist(), exact.tolist(), strict=True)]) >= 4


def test_a_lack_of_rows_is_said() -> None:
    distances, ids = Flat(ROWS[:2]).search(QUERIES[:1], 4)
    assert ids[0, 2:].tolist() == [-1, -1]
    assert np.isinf(distances[0, 2:]).all()


def test_of_equally_near_rows_the_first_wins() -> None:
    rows = np.repeat(ROWS[:1], 50, axis=0)
    assert Flat(rows).search(QUERIES[:1], 3)[1].tolist() == [[0, 1, 2]]


def test_a_flat_file_as_faiss_writes_it() -> None:
    """faiss.write_index of IndexFlatL2 (checked against faiss-cpu 1.15.1, as the others were)."""
    rows = np.array([[1, 2], [3, 4]], np.float32)
    head = struct.pack("<4siqqq?i", b"IxF2", 2, 2, 1 << 20, 1 << 20, True, 1)
    assert dump(Flat(rows)) == head + struct.pack("<Q4f", 4, 1, 2, 3, 4)


@pytest.mark.parametrize("kind", indexes())
def test_there_and_back(kind: str) -> None:
    index = indexes()[kind]
    back = load(dump(index))
    assert dump(back) == dump(index)
    assert (back.width, back.size, back.metric) == (index.width, index.size, index.metric)
    for before, after in zip(index.search(QUERIES, 5), back.search(QUERIES, 5), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("kind", indexes())
def test_a_broken_file_is_refused(kind: str) -> None:
    whole = dump(indexes()[kind])
    for cut in (0, 3, 4, 20, 41, 60, len(whole) // 2, len(whole) - 1):
        with pytest.raises(MalformedIndexError):
            load(whole[:cut])
    with pytest.raises(MalformedIndexError):
        load(b"XXXX" + whole[4:])
