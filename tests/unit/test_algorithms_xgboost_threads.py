"""Threads by the size of the data; ``nthread`` of the hyperparameters wins."""

from __future__ import annotations

import os

import pytest

from sagewright_algorithms.common.threads import VALUES_PER_THREAD, threads_for


@pytest.mark.parametrize(
    ("values", "processors", "expected"),
    [
        (0, 8, 1),
        (VALUES_PER_THREAD, 8, 1),
        (3 * VALUES_PER_THREAD, 8, 3),
        (100 * VALUES_PER_THREAD, 8, 8),
        (100 * VALUES_PER_THREAD, 1, 1),
    ],
)
def test_as_many_as_the_data_is_worth(values: int, processors: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))
    assert threads_for(values) == expected
