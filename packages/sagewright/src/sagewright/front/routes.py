"""The route table: which replicas serve an endpoint. Immutable, read from the snapshot that control writes by rename.

A ``stat`` tells whether the snapshot changed: at most one a millisecond, and always before an endpoint is called unknown. When control is away, or a snapshot cannot be read, the last table
stays in force. Connections to replicas outlive a reload; those of replicas that are gone end when their last call is answered.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import orjson

from sagewright.compute.pipeline import Pipeline, address_of
from sagewright.compute.replica import Address, Replica
from sagewright.compute.replicas import open_replica
from sagewright.front.capture import CapturePlan
from sagewright.front.counters import Load

_LOG = logging.getLogger(__name__)

GOLDEN = 0.6180339887498949
"""Fractional part of the golden ratio: its multiples modulo 1 fill [0, 1) as evenly as any sequence can."""

FRESH = 0.001
"""Seconds during which the snapshot is not looked at again; under load that saves 2 of 40 microseconds a request."""


Told = Callable[[str, str, str, float], None]
"""Is told how long a container of a replica took: endpoint's key, variant, container, seconds."""


class Containers(NamedTuple):
    """The containers of each replica, where there are several. ``direct``: the caller names the one that answers."""

    names: tuple[str, ...]
    direct: bool


class Models(NamedTuple):
    """Where a variant's models come from, and where each replica (by its place among them) has them on disk."""

    folders: tuple[str, ...]
    caches: bool


class Place(NamedTuple):
    """Whose answer it was, for enhanced metrics: the instance, and of an inference component the container."""

    instance: str
    container: str = ""


NOWHERE = Place("")


class Variant:
    """One production variant and its replicas.

    ``containers`` is None for replicas of one container, ``models`` for those of one model. ``config`` is the endpoint configuration
    that it is part of. While a new fleet takes over, ``green`` is the same variant of that fleet, which gets ``share`` of the calls
    (of a shadow: the share of them that it gets copies of); ``adapter`` is what its containers are to answer with; ``reserve`` are the replicas of the other fleet, asked when none of these
    can be. ``serverless``: how many requests it takes at a time, 0 for one with instances. ``places`` tells replicas apart by their
    addresses, where the endpoint has enhanced metrics; else it is empty.
    """

    __slots__ = (
        "_shift",
        "_turn",
        "adapter",
        "at_random",
        "config",
        "containers",
        "green",
        "models",
        "name",
        "places",
        "replicas",
        "reserve",
        "serverless",
        "share",
        "weight",
    )

    def __init__(
        self,
        name: str,
        weight: float,
        replicas: tuple[Replica, ...],
        containers: Containers | None = None,
        models: Models | None = None,
        config: str = "",
        green: Variant | None = None,
        share: float = 0.0,
        serverless: int = 0,
    ) -> None:
        self.serverless = serverless
        self.name = name
        self.models = models
        self.containers = containers
        self.weight = weight
        self.replicas = replicas
        self.reserve: tuple[Replica, ...] = ()
        self.config = config
        self.green = green
        self.share = share
        self.at_random = False
        self.places: Mapping[Address, Place] = {}
        self.adapter = ""
        self._turn = 0
        self._shift = 0.5
        if green is not None:
            green.reserve, self.reserve = replicas, green.replicas

    def by_load(self) -> Sequence[Replica]:
        """The replicas, those with the fewest calls in flight first; equals take turns. With RoutingStrategy RANDOM in any order."""
        if len(self.replicas) < 2:
            return self.replicas + self.reserve
        if self.at_random:
            return [*random.sample(self.replicas, len(self.replicas)), *self.reserve]
        self._turn = turn = (self._turn + 1) % len(self.replicas)
        return [*sorted(self.replicas[turn:] + self.replicas[:turn], key=_load), *self.reserve]

    def sampled(self) -> bool:
        """Whether the next call is one of this variant's share."""
        self._shift = shift = (self._shift + GOLDEN) % 1.0
        return shift < self.share

    def turn(self) -> Variant:
        """This or ``green``: each as often as its share says."""
        if self.green is None:
            return self
        self._shift = shift = (self._shift + GOLDEN) % 1.0
        return self.green if shift < self.share else self


class Endpoint:
    """The variants of one endpoint; ``shadow`` gets copies of its ``share`` of the calls, an ``asynchronous`` one is called through
    control only.

    ``components`` are its inference components, each as a variant of its own with its copies as replicas; None for an endpoint that
    serves models.
    """

    __slots__ = ("_total", "_turn", "arn", "asynchronous", "by_name", "capture", "components", "shadow", "variants")

    def __init__(
        self,
        arn: str,
        variants: tuple[Variant, ...],
        shadow: Variant | None = None,
        capture: CapturePlan | None = None,
        asynchronous: bool = False,
        components: Mapping[str, Variant] | None = None,
    ) -> None:
        self.arn = arn
        self.shadow = shadow
        self.capture = capture
        self.asynchronous = asynchronous
        self.components = components
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

    def __init__(
        self,
        snapshot: Path,
        connect: Callable[[Address], Replica] = open_replica,
        fresh: float = 0.0,
        told: Told = lambda *_: None,
    ) -> None:
        """``fresh``: seconds during which a known endpoint is taken without a look at the snapshot."""
        self._told = told
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

    def loads(self) -> Iterator[Load]:
        """Of each variant that has calls under way: endpoint, name, how many calls, how many replicas; with enhanced metrics also of
        each of its instances."""
        for key, endpoint in self._endpoints.items():
            for variant in endpoint.variants:
                replicas = variant.replicas + variant.reserve  # while one fleet follows another, those of both
                busy = sum(replica.in_flight for replica in replicas)
                if busy:
                    yield key, variant.name, busy, len(replicas)
                    for replica in replicas if variant.places else ():
                        place = variant.places.get(replica.address)
                        if place is not None and replica.in_flight:
                            yield key, variant.name, replica.in_flight, 1, place.instance

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
                endpoints = _parse(orjson.loads(file.read()), connect, self._told)
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


Connect = Callable[[Address], Replica]


def _parse(snapshot: Mapping[str, Any], connect: Connect, told: Told) -> dict[str, Endpoint]:
    return {key: _endpoint(entry, connect, partial(told, key)) for key, entry in snapshot["endpoints"].items()}


def _endpoint(entry: Mapping[str, Any], connect: Connect, told: Callable[[str, str, float], None]) -> Endpoint:
    shadow = next((_variant(shadow, connect, told) for shadow in entry.get("shadow", ())), None)
    capture = CapturePlan(entry["capture"]) if entry.get("capture") else None
    variants = tuple(_variant(variant, connect, told) for variant in entry["variants"])
    components = None
    if any("hosts" in variant for variant in entry["variants"]):
        listed = entry.get("components", ())
        components = {
            each["name"]: _variant({**each, "name": each["variant"], "weight": 1.0}, connect, told) for each in listed
        }
    if entry.get("metrics", {}).get("EnableEnhancedMetrics"):
        _tell_apart(entry, (*variants, *([shadow] if shadow else ()), *(components or {}).values()))
    return Endpoint(entry["arn"], variants, shadow, capture, bool(entry.get("async")), components)


def _tell_apart(entry: Mapping[str, Any], variants: Sequence[Variant]) -> None:
    """One table for all variants: while a new fleet takes over, those of one may be asked for the other's."""
    listed = [*entry["variants"], *entry.get("shadow", ()), *entry.get("components", ())]
    listed += [each["green"] for each in listed if "green" in each]
    places = {
        address_of(place): Place(place["instance"], place.get("container", ""))
        for each in listed
        for place in each["replicas"]
        if "instance" in place
    }
    for variant in variants:
        variant.places = places
        if variant.green is not None:
            variant.green.places = places


def _variant(entry: Mapping[str, Any], connect: Connect, told: Callable[[str, str, float], None]) -> Variant:
    replicas = tuple(_replica(place, connect, partial(told, entry["name"])) for place in entry["replicas"])
    green = _variant(entry["green"], connect, told) if "green" in entry else None
    share = float(entry.get("share", 0.0) if green is None else entry["green"]["share"])
    composed = entry.get("containers")
    containers = composed and Containers(tuple(composed["names"]), composed["mode"] == "Direct")
    many = entry.get("multi_model")
    models = many and Models(tuple(place.get("models", "") for place in entry["replicas"]), many["caches"])
    config, serverless = entry.get("config", ""), entry["serverless"]["max_concurrency"] if "serverless" in entry else 0
    made = Variant(entry["name"], float(entry["weight"]), replicas, containers, models, config, green, share, serverless)
    made.at_random = entry.get("routing") == "RANDOM"
    made.adapter = entry.get("adapter", "")
    return made


def _replica(place: Mapping[str, Any], connect: Connect, told: Callable[[str, float], None]) -> Replica:
    if "members" in place:
        return Pipeline({member["name"]: connect(address_of(member)) for member in place["members"]}, told)
    return connect(address_of(place))


def _load(replica: Replica) -> int:
    return replica.in_flight
