"""The route table: which replicas serve an endpoint. Immutable, read from the snapshot that control writes by rename.

A ``stat`` tells whether the snapshot changed: at most one a millisecond, and always before an endpoint is called unknown. When control is away, or a snapshot cannot be read, the last table
stays in force. Connections to replicas outlive a reload; those of replicas that are gone end when their last call is answered.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

from sagewright.compute.replica import Address, Replica, open_replica
from sagewright.front.capture import CapturePlan

_LOG = logging.getLogger(__name__)

GOLDEN = 0.6180339887498949
"""Fractional part of the golden ratio: its multiples modulo 1 fill [0, 1) as evenly as any sequence can."""

FRESH = 0.001
"""Seconds during which the snapshot is not looked at again; under load that saves 2 of 40 microseconds a request."""


class Variant:
    """One production variant and its replicas."""

    __slots__ = ("_turn", "at_random", "name", "replicas", "weight")

    def __init__(self, name: str, weight: float, replicas: tuple[Replica, ...], at_random: bool = False) -> None:
        self.at_random = at_random
        self.name = name
        self.weight = weight
        self.replicas = replicas
        self._turn = 0

    def by_load(self) -> Sequence[Replica]:
        """The replicas, those with the fewest calls in flight first; equals take turns. With RoutingStrategy RANDOM in any order."""
        if len(self.replicas) < 2:
            return self.replicas
        if self.at_random:
            return random.sample(self.replicas, len(self.replicas))
        self._turn = turn = (self._turn + 1) % len(self.replicas)
        return sorted(self.replicas[turn:] + self.replicas[:turn], key=_load)


class Endpoint:
    """The variants of one endpoint."""

    __slots__ = ("_total", "_turn", "arn", "by_name", "capture", "variants")

    def __init__(self, arn: str, variants: tuple[Variant, ...], capture: CapturePlan | None = None) -> None:
        self.arn = arn
        self.capture = capture
        self.variants = variants
        self.by_name = {variant.name: variant for variant in variants}
        self._total = sum(variant.weight for variant in variants)
        self._turn = 0.5

    def choose(self) -> Variant | None:
        """The next variant, each as often as its weight's share of all weights; None when no variant has any.

        No random numbers: the turns are spread evenly, so that ten calls at 0.9 : 0.1 go nine to one.
        """
        if len(self.variants) == 1:
            return self.variants[0]
        self._turn = turn = (self._turn + GOLDEN) % 1.0
        mark = turn * self._total
        for variant in self.variants:
            mark -= variant.weight
            if mark < 0:
                return variant
        return None


class RouteTable:
    """The routes of one snapshot file, kept up to date."""

    def __init__(self, snapshot: Path, connect: Callable[[Address], Replica] = open_replica, fresh: float = 0.0) -> None:
        """``fresh``: seconds during which a known endpoint is taken without a look at the snapshot."""
        self._snapshot = os.fspath(snapshot)
        self._connect = connect
        self._fresh = fresh
        self._looked = -1.0
        self._seen: tuple[int, int] | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._replicas: dict[Address, Replica] = {}
        self._leaving: list[Replica] = []

    def find(self, key: str) -> Endpoint | None:
        """The endpoint ``<account>/<region>/<name>`` as of now."""
        now = monotonic()
        if now - self._looked < self._fresh and (known := self._endpoints.get(key)) is not None:
            return known
        self._looked = now
        try:
            stat = os.stat(self._snapshot)  # noqa: PTH116  (on the path of every inference request)
        except OSError:
            return self._endpoints.get(key)
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            self._seen = seen
            self._reload()
        return self._endpoints.get(key)

    def loads(self) -> Iterator[tuple[str, str, int, int]]:
        """Of each variant that has calls under way: endpoint, name, how many calls, how many replicas."""
        for key, endpoint in self._endpoints.items():
            for variant in endpoint.variants:
                busy = sum(replica.in_flight for replica in variant.replicas)
                if busy:
                    yield key, variant.name, busy, len(variant.replicas)

    def close(self) -> None:
        """Ends all connections."""
        for replica in (*self._replicas.values(), *self._leaving):
            replica.close()
        self._replicas.clear()
        self._leaving.clear()

    def _reload(self) -> None:
        known = self._replicas
        replicas: dict[Address, Replica] = {}

        def connect(address: Address) -> Replica:
            replica = replicas.get(address) or known.get(address) or self._connect(address)
            replicas[address] = replica
            return replica

        try:
            with open(self._snapshot, "rb") as file:
                endpoints = _parse(orjson.loads(file.read()), connect)
        except (OSError, ValueError, KeyError, TypeError):
            _LOG.exception("the route snapshot %s cannot be read; the last one stays in force", self._snapshot)
            return
        self._leaving += [replica for address, replica in known.items() if address not in replicas]
        self._endpoints, self._replicas = endpoints, replicas
        self._close_idle()

    def _close_idle(self) -> None:
        still = [replica for replica in self._leaving if replica.in_flight]
        for replica in self._leaving:
            if not replica.in_flight:
                replica.close()
        self._leaving = still


def _parse(snapshot: Mapping[str, Any], connect: Callable[[Address], Replica]) -> dict[str, Endpoint]:
    return {
        key: Endpoint(
            entry["arn"],
            tuple(_variant(variant, connect) for variant in entry["variants"]),
            CapturePlan(entry["capture"]) if entry.get("capture") else None,
        )
        for key, entry in snapshot["endpoints"].items()
    }


def _variant(entry: Mapping[str, Any], connect: Callable[[Address], Replica]) -> Variant:
    replicas = tuple(
        connect(Address(place["protocol"], place["socket"], place.get("port", 8080))) for place in entry["replicas"]
    )
    return Variant(entry["name"], float(entry["weight"]), replicas, entry.get("routing") == "RANDOM")


def _load(replica: Replica) -> int:
    return replica.in_flight
