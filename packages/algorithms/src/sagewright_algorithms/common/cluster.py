"""The instances of a job that train one model together: sums and rows of all of them.

libxgboost's collective does the talking: every installation has it, and XGBoost itself trains over it. The first host keeps
the tracker that introduces the others to one another. With one instance nothing is loaded and nothing is sent.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sagewright_algorithms.common.libxgboost import check, native

_PORT = 9099
_PATIENCE = 600
"""Seconds that one host waits for another, whose share of the data may take longer to read."""
_FLOAT64, _MAXIMUM, _SUM = 2, 0, 2

Table = TypeVar("Table", bound=NDArray[Any])


@dataclass(frozen=True, slots=True)
class Cluster:
    """``rank`` counts hosts from 0 in the order of their names; the first leads: it writes the model."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def sampler(self) -> np.random.Generator:
        """For drawing from a host's own rows; what all hosts must draw alike comes from another generator."""
        return np.random.default_rng(1 + self.rank)

    def sum(self, values: Table) -> Table:
        """Of all hosts, element by element; computed in float64."""
        return self._reduced(values, _SUM)

    def maximum(self, value: float) -> float:
        """Of all hosts."""
        return float(self._reduced(np.array([value], np.float64), _MAXIMUM)[0])

    def mean(self, values: Table, weight: float) -> Table:
        """Of all hosts, each with its weight."""
        if self.size == 1:
            return values
        total = self.sum(np.append(np.asarray(values, np.float64).ravel() * weight, weight))
        return cast(Table, (total[:-1] / total[-1]).reshape(values.shape).astype(values.dtype))

    def most(self, count: int) -> int:
        """Of all hosts: how many batches each makes of its share, so that all make the same calls."""
        return round(self.maximum(count))

    def rows(self, table: Table) -> Table:
        """The rows of all hosts, in the order of the hosts."""
        if self.size == 1:
            return table
        counts = np.zeros(self.size)
        counts[self.rank] = len(table)
        counts = self.sum(counts)
        first = int(counts[: self.rank].sum())
        everything = np.zeros((int(counts.sum()), *table.shape[1:]), np.float64)
        everything[first : first + len(table)] = table
        return cast(Table, self.sum(everything).astype(table.dtype))

    def documents(self, own: Any) -> list[Any]:
        """A JSON document of each host, in the order of the hosts."""
        if self.size == 1:
            return [own]
        content = np.frombuffer(json.dumps(own).encode(), np.uint8)
        lengths = np.zeros(self.size)
        lengths[self.rank] = len(content)
        ends = np.cumsum(self.sum(lengths)).astype(int).tolist()
        everything = self.rows(content).tobytes()
        return [json.loads(everything[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _reduced(self, values: Table, operation: int) -> Table:
        if self.size == 1 or not values.size:
            return values
        found = np.array(values, np.float64, order="C")
        address = found.ctypes.data_as(ctypes.c_void_p)
        check(native().XGCommunicatorAllreduce(address, ctypes.c_size_t(found.size), _FLOAT64, operation))
        return cast(Table, found.astype(values.dtype))


ALONE = Cluster()


@contextmanager
def cluster_of(resources: Mapping[str, Any]) -> Iterator[Cluster]:
    """The cluster of a resourceconfig.json, for as long as the block lasts. Raises XgboostError when a host is lost."""
    hosts = sorted(resources.get("hosts") or ["algo-1"])
    rank = hosts.index(str(resources.get("current_host") or hosts[0]))
    if len(hosts) == 1:
        yield ALONE
        return
    with _tracker(hosts) if rank == 0 else _elsewhere():
        arguments = {
            "dmlc_communicator": "rabit",
            "dmlc_tracker_uri": socket.gethostbyname(hosts[0]),
            "dmlc_tracker_port": port(),
            "dmlc_task_id": f"{rank:06}",
            "dmlc_retry": 100,
            "dmlc_timeout": _PATIENCE,
        }
        check(native().XGCommunicatorInit(json.dumps(arguments).encode()))
        yield Cluster(int(native().XGCommunicatorGetRank()), len(hosts))
        check(native().XGCommunicatorFinalize())


@contextmanager
def _tracker(hosts: Sequence[str]) -> Iterator[None]:
    handle = ctypes.c_void_p()
    arguments = {
        "dmlc_communicator": "rabit",
        "host": socket.gethostbyname(hosts[0]),
        "port": port(),
        "n_workers": len(hosts),
        "sortby": 1,  # by task id, so that the first host has rank 0
        "timeout": _PATIENCE,
    }
    check(native().XGTrackerCreate(json.dumps(arguments).encode(), ctypes.byref(handle)))
    check(native().XGTrackerRun(handle, b"{}"))
    yield
    check(native().XGTrackerWaitFor(handle, json.dumps({"timeout": _PATIENCE}).encode()))
    check(native().XGTrackerFree(handle))


@contextmanager
def _elsewhere() -> Iterator[None]:
    yield


def port() -> int:
    """Of the tracker. Instances have a network of their own, so any port will do; tests share one."""
    return int(os.environ.get("SAGEWRIGHT_CLUSTER_PORT") or _PORT)
