"""Endpoints that host inference components: whom a request is for, and what is counted of it.

Developer Guide, monitoring-cloudwatch: inference components have metrics of their own, whose one dimension is their name.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagewright.front.counters import Counters, Dimensions
from sagewright.front.routes import NOWHERE, Endpoint, Place, Variant
from sagewright.wire.errors import Fault

HEADER = "x-amzn-sagemaker-inference-component"
NO_COPIES = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if configured) or try to "
    "increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
"""Developer Guide, endpoint-auto-scaling-zero-instances."""
_MISSING = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. Please include "
    "Inference Component Name header or consider using SageMaker models."
)
"""Seen in published issues."""


def choose(name: str, key: str, endpoint: Endpoint, component: str | None, counters: Counters) -> Variant:
    """The copies of the component that is asked for. Raises Fault."""
    if endpoint.components is None:
        raise Fault(
            "ValidationError", f"Endpoint {name} has no inference components and does not support inference component header."
        )
    if component is None:
        raise Fault("ValidationError", _MISSING)
    found = endpoint.components.get(component)
    if found is None:
        raise Fault("ValidationError", f"Inference Component {component} of endpoint {name} not found.")
    if not found.replicas:
        counters.sample(key, (("InferenceComponentName", component),), "NoCapacityInvocationFailures", 1.0, "Count")
        raise Fault("ValidationError", NO_COPIES)
    return found


def count(
    key: str,
    component: str,
    variant: Variant,
    status: int,
    model: float,
    overhead: float,
    counters: Counters,
    place: Place = NOWHERE,
) -> None:
    """One answer (``status`` 0: there was none), ``model`` and ``overhead`` in seconds; for the container at ``place`` once more."""
    busy = [replica.in_flight for replica in variant.replicas]
    _sample(key, (("InferenceComponentName", component),), status, model, overhead, busy, counters)
    if place.container:
        alone = [replica.in_flight for replica in variant.replicas if variant.places.get(replica.address) == place]
        dimensions = container_dimensions(key, component, variant.name, place)
        _sample(key, dimensions, status, model, overhead, alone, counters)


def container_dimensions(key: str, component: str, variant: str, place: Place) -> Dimensions:
    """Of one container (DG monitoring-cloudwatch-enhanced-metrics; which of them go together is seen in published programs)."""
    return (
        ("EndpointName", key.rpartition("/")[2]),
        ("VariantName", variant),
        ("InferenceComponentName", component),
        ("InstanceId", place.instance),
        ("ContainerId", place.container),
    )


def _sample(
    key: str,
    dimensions: Dimensions,
    status: int,
    model: float,
    overhead: float,
    busy: Sequence[int],
    counters: Counters,
) -> None:
    """``busy``: calls that each of the copies still works on."""
    copies = max(1, len(busy))
    flags = {
        "Invocations": 1.0,
        "Invocation4XXErrors": float(400 <= status < 500),
        "Invocation5XXErrors": float(status >= 500 or not status),
        "InvocationModelErrors": float(status >= 400 or not status),
        "InvocationsPerCopy": 1.0 / copies,
        "ConcurrentRequestsPerCopy": (1 + sum(busy)) / copies,
    }
    for name, value in flags.items():
        counters.sample(key, dimensions, name, value, "None")
    if status:
        counters.sample(key, dimensions, "ModelLatency", model * 1e6)
        counters.sample(key, dimensions, "OverheadLatency", overhead * 1e6)
