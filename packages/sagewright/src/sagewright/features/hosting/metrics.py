"""Writes what the fronts counted into CloudWatch's namespace AWS/SageMaker (Developer Guide, monitoring-cloudwatch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
DROPPED = "ShadowInvocationsDropped"
"""Copies that a shadow variant did not get; a metric of ours."""
LATENCIES = ("ModelLatency", "OverheadLatency")


Instances = Callable[[str, str], int]
"""How many instances serve a variant now, by route key and name."""


Frequency = Callable[[str], float]
"""Seconds between two points of an endpoint's metrics, by route key; 0: as they come."""


Serverless = Callable[[str, str], Mapping[str, Any]]
"""What the route of a serverless variant says, by route key and name."""


async def record_use(store: Store, body: bytes, serverless: Serverless) -> None:
    """Takes the body of one ``use`` message (front/serverless.py): the most calls that a variant had at once since the last."""
    peaks, now = orjson.loads(body), store.clock.now()
    await store.write(lambda transaction: _put_use(transaction, now, peaks, serverless))


def _put_use(transaction: Transaction, now: float, peaks: list[tuple[str, str, int]], serverless: Serverless) -> None:
    """As parts of what is allowed, and of what is provisioned (DG serverless-endpoints-monitoring)."""
    for key, variant, peak in peaks:
        route, (world, dimensions) = serverless(key, variant), _named(key, variant)
        for name, whole in (
            ("ServerlessConcurrentExecutionsUtilization", route.get("max_concurrency", 0)),
            ("ServerlessProvisionedConcurrencyUtilization", route.get("provisioned", 0)),
        ):
            if whole:
                part = min(1.0, peak / whole)
                put(transaction, world, NAMESPACE, name, dimensions, (Point(now, 1, part, part, part, "None"),))


async def record_invocations(
    store: Store, body: bytes, instances: Instances, frequency: Frequency = lambda endpoint: 0.0
) -> None:
    """Takes the body of one ``invocations`` message (front/counters.py). Raises ValueError or KeyError for any other."""
    message = orjson.loads(body)
    moment = float(message["at"])

    def at(endpoint: str) -> float:
        """With a frequency what was counted belongs to the begin of its period: so nothing has to be held back, and be lost."""
        period = frequency(endpoint)
        return moment - moment % period if period else moment

    def work(transaction: Transaction) -> None:
        for counted in (*message["variants"], *message.get("instances", ())):
            _put(transaction, at(counted["endpoint"]), counted)
        for counted in message["variants"]:
            share = 1 / max(1, instances(counted["endpoint"], counted["variant"]))
            _put_share(transaction, at(counted["endpoint"]), counted, share)
        for endpoint, variant, busy, shared_by, *instance in message.get("loads", ()):
            _put_load(transaction, at(endpoint), (endpoint, variant, *instance), busy / max(1, shared_by))
        for sample in message.get("samples", ()):
            _put_sample(transaction, at(sample["endpoint"]), sample)

    await store.write(work)


def _put_share(transaction: Transaction, at: float, counted: Mapping[str, Any], share: float) -> None:
    """Each call is one sample of 1 / instances (API ScalingPolicyMetric, InvocationsPerInstance)."""
    world, dimensions = _named(counted["endpoint"], counted["variant"])
    calls = counted["Invocations"]
    if calls:
        point = Point(at, calls, calls * share, share, share, "None")
        put(transaction, world, NAMESPACE, "InvocationsPerInstance", dimensions, (point,))


def _put_load(transaction: Transaction, at: float, named: tuple[str, ...], busy: float) -> None:
    """Calls that a model has at once, on each instance."""
    world, dimensions = _named(*named)
    point = Point(at, 1, busy, busy, busy, "None")
    put(transaction, world, NAMESPACE, "ConcurrentRequestsPerModel", dimensions, (point,))


def _named(key: str, variant: str, instance: str = "") -> tuple[World, dict[str, str]]:
    account, region, endpoint = key.split("/")
    dimensions = {"EndpointName": endpoint, "VariantName": variant}
    return World(account, region), dimensions | ({"InstanceId": instance} if instance else {})


def _put(transaction: Transaction, at: float, counted: Mapping[str, Any]) -> None:
    """Of a variant, or of one of its instances."""
    world, dimensions = _named(counted["endpoint"], counted["variant"], counted.get("instance", ""))
    # By fleet as well, so that an alarm can watch a new one (DG deployment-guardrails-configuration).
    by_fleet = {**dimensions, "EndpointConfigName": counted["config"]} if counted.get("config") else None
    for name, point in _points(at, counted):
        for found in filter(None, (dimensions, by_fleet)):
            put(transaction, world, NAMESPACE, name, found, (point,))


def _put_sample(transaction: Transaction, at: float, sample: Mapping[str, Any]) -> None:
    account, region, endpoint = sample["endpoint"].split("/")
    dimensions = sample["dimensions"]
    if "InferenceComponentName" not in dimensions:  # that one stands alone, or says all
        dimensions = {"EndpointName": endpoint, **dimensions}
    count, total, minimum, maximum = sample["statistics"]
    point = Point(at, count, total, minimum, maximum, sample["unit"])
    namespace = INSTANCES if sample["name"] in OF_INSTANCES else NAMESPACE
    put(transaction, World(account, region), namespace, sample["name"], dimensions, (point,))


def _points(at: float, counted: Mapping[str, Any]) -> list[tuple[str, Point]]:
    """Every call is one sample of each count, 1 or 0: so Sum counts and Average is a rate, as on AWS."""
    calls = counted["Invocations"]
    points = []
    if dropped := counted.get(DROPPED, 0):
        points.append((DROPPED, Point(at, dropped, dropped, 1.0, 1.0, "None")))
    for name in COUNTS:
        total = counted[name]
        points.append((name, Point(at, calls, total, float(total == calls), float(total > 0), "None")))
    for name in LATENCIES:
        count, total, minimum, maximum = counted[name]
        if count:
            points.append((name, Point(at, count, total, minimum, maximum, "Microseconds")))
    return points
