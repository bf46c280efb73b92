"""Built-in algorithms beside a bare script that does the same with a library: reads the data, fits, writes the model.

Both run in a fork of a process that has their imports, in turns; the median of the rounds' ratios counts.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.forks import forks
from support.ml_root import SOURCES, MlRoot

from benchmarks.contests import Contest, contests
from benchmarks.figures import Figure, median_no_worse
from benchmarks.peers.trainer import Trainer
from sagewright_algorithms.manifest import load

_PATIENCE = 300.0


def figures() -> list[Figure]:
    with Trainer() as trainer:
        return [measured(contest, trainer) for contest in contests()]


def measured(contest: Contest, trainer: Trainer) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        root = MlRoot(Path(folder, "ml"))
        contest.prepare(root)
        rounds = [(_ours(contest, root), _theirs(contest, root, trainer)) for _ in range(contest.rounds + 1)]
    name = f"training {contest.algorithm}, {contest.size}, against {contest.against}"
    return median_no_worse(name, rounds[1:], contest.most, "s")  # the first round warms both


def _ours(contest: Contest, root: MlRoot) -> float:
    environment = load(contest.algorithm).environment
    given = root.environment(**contest.told)
    warm = forks(environment, os.pathsep.join(SOURCES))
    with _timed() as seconds:
        done = warm.run(["train"], given, _PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{contest.algorithm}: {root.failure() or done.stderr}")
    return seconds[0]


def _theirs(contest: Contest, root: MlRoot, trainer: Trainer) -> float:
    data, model = root.folder / "input" / "data", root.folder.parent / "bare-model"
    if isinstance(contest.bare, str):
        with _timed() as seconds:
            trainer.run(contest.bare, data, model)
        return seconds[0]
    with _timed() as seconds:
        child = os.fork()
        if child == 0:
            _end(contest, data, model)
        _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the bare {contest.algorithm} failed")
    return seconds[0]


def _end(contest: Contest, data: Path, model: Path) -> None:
    """In the fork: nothing of the benchmark goes on there."""
    code = 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the library prints, as the container's goes to a file
    try:
        assert not isinstance(contest.bare, str)
        contest.bare(data, model)
        code = 0
    finally:
        os._exit(code)


@contextmanager
def _timed() -> Iterator[list[float]]:
    found: list[float] = []
    began = time.perf_counter()
    yield found
    found.append(time.perf_counter() - began)
