"""Writes what the fronts counted into CloudWatch's namespace AWS/SageMaker (Developer Guide, monitoring-cloudwatch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sagewright.base.world import World
from sagewright.signals.metrics import Point, put
from sagewright.store.database import Store, Transaction

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
OF_INSTANCES = frozenset({"LoadedModelCount"})
"""Samples of the fronts that AWS has in the namespace of instances."""
COUNTS = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
LATENCIES = ("ModelLatency", "OverheadLatency")


async def record_invocations(store: Store, body: bytes) -> None:
    """Takes the body of one ``invocations`` message (front/counters.py). Raises ValueError or KeyError for any other."""
    message = orjson.loads(body)
    at = float(message["at"])
    await store.write(lambda transaction: _put(transaction, at, message["variants"]))
    samples = message.get("samples")
    if samples:
        await store.write(lambda transaction: _put_samples(transaction, at, samples))


def _put(transaction: Transaction, at: float, variants: list[Mapping[str, Any]]) -> None:
    for counted in variants:
        account, region, endpoint = counted["endpoint"].split("/")
        dimensions = {"EndpointName": endpoint, "VariantName": counted["variant"]}
        for name, point in _points(at, counted):
            put(transaction, World(account, region), NAMESPACE, name, dimensions, (point,))


def _put_samples(transaction: Transaction, at: float, samples: list[Mapping[str, Any]]) -> None:
    for sample in samples:
        account, region, endpoint = sample["endpoint"].split("/")
        dimensions = sample["dimensions"]
        if "InferenceComponentName" not in dimensions:  # that one stands alone
            dimensions = {"EndpointName": endpoint, **dimensions}
        count, total, minimum, maximum = sample["statistics"]
        point = Point(at, count, total, minimum, maximum, sample["unit"])
        namespace = INSTANCES if sample["name"] in OF_INSTANCES else NAMESPACE
        put(transaction, World(account, region), namespace, sample["name"], dimensions, (point,))


def _points(at: float, counted: Mapping[str, Any]) -> list[tuple[str, Point]]:
    """Every call is one sample of each count, 1 or 0: so Sum counts and Average is a rate, as on AWS."""
    calls = counted["Invocations"]
    points = []
    for name in COUNTS:
        total = counted[name]
        points.append((name, Point(at, calls, total, float(total == calls), float(total > 0), "None")))
    for name in LATENCIES:
        count, total, minimum, maximum = counted[name]
        if count:
            points.append((name, Point(at, count, total, minimum, maximum, "Microseconds")))
    return points
