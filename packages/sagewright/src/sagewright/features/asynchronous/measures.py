"""The metrics of asynchronous endpoints, by their names on AWS (developer guide, async-inference-monitor)."""

from __future__ import annotations

from collections.abc import Mapping

from sagewright.base.world import World
from sagewright.signals.metrics import Point, put
from sagewright.store.database import Transaction

NAMESPACE = "AWS/SageMaker"
UNITS = {
    "RequestDownloadLatency": "Microseconds",
    "ResponseUploadLatency": "Microseconds",
    "ModelLatency": "Microseconds",
    "TimeInBacklog": "Milliseconds",
    "TotalProcessingTime": "Milliseconds",
    "ApproximateAgeOfOldestRequest": "Seconds",
}
"""All others are counts."""


def put_request(
    transaction: Transaction, world: World, endpoint: str, variant: str, at: float, values: Mapping[str, float]
) -> None:
    """One value of each, of the variant that took the request; without one (it never came to that) of the endpoint."""
    dimensions = {"EndpointName": endpoint, **({"VariantName": variant} if variant else {})}
    _put(transaction, world, dimensions, at, values)


def put_backlog(
    transaction: Transaction, world: World, endpoint: str, at: float, *, backlog: int, instances: int, oldest: float
) -> None:
    """The queue as it is now: what waits or is worked on, how many instances there are, the age of the oldest in seconds.

    Without instances nothing can be said per instance: HasBacklogWithoutCapacity is what wakes an endpoint then.
    """
    values = {
        "ApproximateBacklogSize": float(backlog),
        "HasBacklogWithoutCapacity": float(backlog > 0 and instances == 0),
        "ApproximateAgeOfOldestRequest": oldest,
    }
    if instances:
        values["ApproximateBacklogSizePerInstance"] = backlog / instances
    _put(transaction, world, {"EndpointName": endpoint}, at, values)


def _put(transaction: Transaction, world: World, dimensions: Mapping[str, str], at: float, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        point = Point(at, 1, value, value, value, UNITS.get(name, "Count"))
        put(transaction, world, NAMESPACE, name, dimensions, (point,))
