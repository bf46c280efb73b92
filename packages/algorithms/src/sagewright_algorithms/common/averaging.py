"""Hosts that train on shares of the data of their own, and meet several times an epoch to agree on the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from sagewright_algorithms.common.cluster import Cluster

_MEETINGS = 16
"""An epoch; on digits, factorization machines lose nothing measurable from 8 on."""


class Averaging:
    """``arrays`` are the parameters, changed in place. With one instance nothing happens."""

    def __init__(self, cluster: Cluster, arrays: Sequence[NDArray[np.float32]]) -> None:
        self._cluster = cluster
        self._arrays = list(arrays) if cluster.size > 1 else []
        self._agreed = [array.copy() for array in self._arrays]

    def points(self, batches: int) -> frozenset[int]:
        """After which batches of an epoch to meet: equally often on all hosts, however many batches each has."""
        if self._cluster.size == 1:
            return frozenset()
        meetings = min(_MEETINGS, round(-self._cluster.maximum(-batches)))
        return frozenset(ceil(batches * (number + 1) / meetings) - 1 for number in range(meetings))

    def meet(self) -> None:
        """Each number moves by the mean of the moves of those hosts that moved it: what one host alone has seen counts whole."""
        for array, agreed in zip(self._arrays, self._agreed, strict=True):
            moves = array - agreed
            hosts = self._cluster.sum((moves != 0).astype(np.float64))
            agreed += (self._cluster.sum(moves.astype(np.float64)) / np.maximum(hosts, 1)).astype(np.float32)
            array[...] = agreed
