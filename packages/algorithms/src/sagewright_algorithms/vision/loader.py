"""Batches in a fixed order, prepared ahead by threads: Pillow lets go of the interpreter while it decodes and resizes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np

Item = TypeVar("Item")


class Loader(Generic[Item]):
    """``load(number, random)`` makes example ``number``; what it draws depends on seed, epoch and number only.

    So the batches are the same whatever the threads do. ``shuffle``: another order every epoch. ``whole``: a last batch that is
    not full is left out (unless it is the only one), as MXNet's iterator does in training.
    """

    def __init__(
        self,
        load: Callable[[int, np.random.Generator], Item],
        count: int,
        batch: int,
        *,
        shuffle: bool = False,
        whole: bool = False,
        seed: int = 0,
    ) -> None:
        self._load, self._count, self._batch = load, count, batch
        self._shuffle, self._seed = shuffle, seed
        self._end = count // batch * batch if whole and count > batch else count
        self._wanted = self.batches
        self._threads = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads, "loader")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def batches(self) -> int:
        """Batches of one epoch."""
        return -(-self._end // self._batch)

    @property
    def examples(self) -> int:
        """Examples of one epoch."""
        return self._end

    def lengthen(self, batches: int) -> None:
        """An epoch has so many batches from now on: instances that train together need equally many."""
        self._wanted = batches

    def epoch(self, epoch: int) -> Iterator[list[Item]]:
        """The batches of one pass, and of another where there are to be more. Raises what ``load`` raises."""
        passes = -(-self._wanted // self.batches)
        for again in range(passes):
            yield from islice(self._pass((epoch, again) if again else (epoch,)), self._wanted - again * self.batches)

    def _pass(self, place: tuple[int, ...]) -> Iterator[list[Item]]:
        order = self._order(place)
        waiting: deque[Future[list[Item]]] = deque()
        for start in range(0, self._end, self._batch):
            waiting.append(self._pool.submit(self._make, order[start : min(start + self._batch, self._end)], place))
            if len(waiting) > self._threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _order(self, place: tuple[int, ...]) -> list[int]:
        if not self._shuffle:
            return list(range(self._count))
        order: list[int] = np.random.default_rng((self._seed, *place)).permutation(self._count).tolist()
        return order

    def _make(self, numbers: list[int], place: tuple[int, ...]) -> list[Item]:
        return [self._load(number, np.random.default_rng((self._seed, *place, number))) for number in numbers]
