"""Who can take a request of an asynchronous endpoint now: its containers as the routes name them, and what each has in hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sagewright.compute.pipeline import address_of, open_place
from sagewright.compute.replica import Address, Replica
from sagewright.compute.replicas import open_replica

CONCURRENCY = 4
"""Requests that a container has in hand when the endpoint does not say; AWS "chooses an optimal value"."""
GREEN = " (new)"
"""Told apart by what no variant's name can hold."""


@dataclass(slots=True)
class Instance:
    """One container. While a new fleet takes over, ``fleet`` tells a variant's old ones from its new ones.

    ``gone``: the routes name it no longer; what it has in hand it may finish, if it lives so long.
    """

    variant: str
    fleet: str
    replica: Replica
    running: int = 0
    gone: bool = False


@dataclass(slots=True)
class Capacity:
    """The containers of one endpoint."""

    connect: Callable[[Address], Replica] = open_replica
    instances: dict[tuple[Address, ...], Instance] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    concurrency: int = CONCURRENCY

    def follow(self, route: Mapping[str, Any] | None) -> None:
        """Takes over what the routes say of the endpoint now; nothing when they do not name it."""
        route = route or {"variants": []}
        client = (route.get("async") or {}).get("ClientConfig", {})
        self.concurrency = client.get("MaxConcurrentInvocationsPerInstance", CONCURRENCY)
        fleets = [fleet for variant in route["variants"] for fleet in _fleets(variant)]
        self.weights = {name: weight for name, weight, _ in fleets}
        named = {_addresses(place): (name, place) for name, _, places in fleets for place in places}
        for address, (fleet, place) in named.items():
            if address not in self.instances:
                self.instances[address] = Instance(fleet.partition(GREEN)[0], fleet, open_place(place, self.connect))
            self.instances[address].fleet = fleet
        for address, instance in list(self.instances.items()):
            instance.gone = address not in named
            if instance.gone and not instance.running:
                instance.replica.close()
                del self.instances[address]

    @property
    def size(self) -> int:
        """Containers that the routes name."""
        return sum(not instance.gone for instance in self.instances.values())

    def free(self) -> Instance | None:
        """The container to give the next request to: of the variant that has least in hand for its weight, the idlest."""
        open_ones = [
            instance
            for instance in self.instances.values()
            if not instance.gone and instance.running < self.concurrency and self.weights.get(instance.fleet, 0.0) > 0
        ]
        return min(open_ones, key=self._burden, default=None)

    def close(self) -> None:
        """Ends all connections."""
        for instance in self.instances.values():
            instance.replica.close()
        self.instances.clear()

    def _burden(self, instance: Instance) -> tuple[float, int]:
        in_hand = sum(other.running for other in self.instances.values() if other.fleet == instance.fleet)
        return (in_hand + 1) / self.weights[instance.fleet], instance.running


def _addresses(place: Mapping[str, Any]) -> tuple[Address, ...]:
    return tuple(address_of(member) for member in place.get("members", (place,)))


def _fleets(variant: Mapping[str, Any]) -> list[tuple[str, float, list[Any]]]:
    """The variant's containers, and apart from them those of a new fleet that takes over; with the weight that each has."""
    name, weight = variant["name"], float(variant["weight"])
    green = variant.get("green")
    if green is None:
        return [(name, weight, variant["replicas"])]
    share = float(green["share"])
    return [(name, weight * (1 - share), variant["replicas"]), (name + GREEN, weight * share, green["replicas"])]
