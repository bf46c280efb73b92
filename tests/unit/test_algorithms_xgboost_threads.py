"""Threads by the size of the data, ``nthread`` of the hyperparameters wins; they spin only where nobody else has work."""

from __future__ import annotations

import os

import pytest

from sagewright_algorithms.common.threads import VALUES_PER_THREAD, sleep_when_busy, spin_when_idle, threads_for


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


@pytest.mark.parametrize(
    ("processors", "given", "expected"), [(0, None, "PASSIVE"), (10_000, None, None), (0, "ACTIVE", "ACTIVE")]
)
def test_threads_that_wait_sleep_on_a_busy_machine(
    processors: int, given: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))
    monkeypatch.setattr(os, "environ", {} if given is None else {"OMP_WAIT_POLICY": given})
    sleep_when_busy()
    assert os.environ.get("OMP_WAIT_POLICY") == expected


@pytest.mark.parametrize(
    ("processors", "given", "expected"), [(10_000, None, "30000"), (0, None, None), (10_000, "0", "0"), (0, "5", "5")]
)
def test_threads_of_short_steps_spin_on_an_idle_machine(
    processors: int, given: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))
    monkeypatch.setattr(os, "environ", {} if given is None else {"GOMP_SPINCOUNT": given})
    spin_when_idle()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
