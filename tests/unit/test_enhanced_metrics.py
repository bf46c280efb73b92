"""What becomes of counts and of a MetricsConfig (DG monitoring-cloudwatch-enhanced-metrics; feature row K18)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import WORLD, Harness

from sagewright.base.clock import VirtualClock
from sagewright.features.hosting.metrics import record_invocations
from sagewright.features.hosting.metrics_config import FREQUENCIES, check_metrics, of_invocations, of_use
from sagewright.features.hosting.publish import Publisher, route_key
from sagewright.front.counters import Counters, Load
from sagewright.signals import metrics
from sagewright.wire.errors import Fault

KEY = route_key(WORLD, "e")
VARIANT = {"EndpointName": "e", "VariantName": "v"}
START = 1_700_000_040.0
"""A whole minute."""


@pytest.fixture
def started() -> Iterator[Harness]:
    with Harness(VirtualClock()) as harness:
        yield harness


def tell(harness: Harness, counters: Counters, at: float, every: float = 0.0) -> None:
    """What the front does each second."""
    body = counters.drain(at)
    assert body is not None
    harness.run(record_invocations(harness.parts.store, body, lambda key, variant: 2, lambda key: every))


def points(harness: Harness, name: str, **dimensions: str) -> list[tuple[float, float, float]]:
    """Moment, count and sum of every second from the start on that has any."""
    read = harness.parts.store.read
    found = harness.run(
        read(
            lambda transaction: metrics.statistics(
                transaction, WORLD, "AWS/SageMaker", name, dimensions, start=START, end=START + 600, period=1
            )
        )
    )
    return [(bucket.timestamp - START, bucket.count, bucket.total) for bucket in found]


def test_an_instance_has_the_metrics_of_its_variant(started: Harness) -> None:
    def loads() -> list[Load]:
        return [(KEY, "v", 3, 2), (KEY, "v", 3, 1, "i-1")]

    counters = Counters(loads=loads)
    counters.answered(KEY, "v", 200, 0.002, 0.0001, "config", "i-1")
    counters.answered(KEY, "v", 500, 0.004, 0.0001, "config", "i-1")
    counters.unanswered(KEY, "v", "config", "i-2")
    counters.unanswered(KEY, "v", "config")
    tell(started, counters, START)
    of_one = {**VARIANT, "InstanceId": "i-1"}
    assert points(started, "Invocations", **of_one) == [(0, 2, 2)]
    assert points(started, "Invocation5XXErrors", **of_one) == [(0, 2, 1)]
    assert points(started, "ModelLatency", **of_one) == [(0, 2, 6000)]
    assert points(started, "OverheadLatency", **of_one) == [(0, 2, 200)]
    assert points(started, "ConcurrentRequestsPerModel", **of_one) == [(0, 1, 3)]
    assert points(started, "InvocationModelErrors", **VARIANT, InstanceId="i-2") == [(0, 1, 1)]
    assert points(started, "Invocations", **VARIANT) == [(0, 4, 4)]
    assert points(started, "ConcurrentRequestsPerModel", **VARIANT) == [(0, 1, 1.5)]
    assert points(started, "Invocations", **VARIANT, EndpointConfigName="config") == [(0, 4, 4)]


def test_a_sample_is_written_once(started: Harness) -> None:
    """K06: one call of a component is one invocation."""
    counters = Counters()
    counters.sample(KEY, (("InferenceComponentName", "c"),), "Invocations", 1.0, "None")
    tell(started, counters, START)
    assert points(started, "Invocations", InferenceComponentName="c") == [(0, 1, 1)]


@pytest.mark.parametrize(("every", "expected"), [(0.0, [0, 1, 11, 61]), (10.0, [0, 10, 60]), (60.0, [0, 60])])
def test_points_come_as_often_as_the_frequency_says(started: Harness, every: float, expected: list[float]) -> None:
    """One point for each period in which something was counted; none is lost."""
    counters = Counters()
    for seconds in (0.0, 1.0, 11.0, 61.0):
        counters.answered(KEY, "v", 200, 0.001, 0.0, "", "i-1")
        tell(started, counters, START + seconds, every)
    for dimensions in (VARIANT, {**VARIANT, "InstanceId": "i-1"}):
        found = points(started, "Invocations", **dimensions)
        assert [moment for moment, _, _ in found] == expected
        assert sum(total for _, _, total in found) == 4


@pytest.mark.parametrize("seconds", FREQUENCIES)
def test_seven_frequencies_are_allowed(seconds: int) -> None:
    """API MetricsConfig: without enhanced metrics the frequency is that of the use of instances only."""
    config = {"MetricPublishFrequencyInSeconds": seconds}
    check_metrics({"ProductionVariants": [{}], "MetricsConfig": config})
    assert (of_use(config), of_invocations(config)) == (seconds, 0)
    assert of_invocations({**config, "EnableEnhancedMetrics": True}) == seconds
    assert (of_use({}), of_invocations({"EnableEnhancedMetrics": True})) == (0, 0)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"MetricPublishFrequencyInSeconds": 15},
            r"1 validation error detected: Value '15' at 'metricsConfig.metricPublishFrequencyInSeconds' failed to satisfy "
            r"constraint: Member must satisfy enum value set: \[10, 30, 60, 120, 180, 240, 300\]$",
        ),
        ({"EnableDetailedObservability": True}, "does not support MetricsConfig.EnableDetailedObservability .OpenTelemetry"),
        ({"EnableEnhancedMetrics": True}, "Serverless endpoints do not support enhanced metrics"),
    ],
)
def test_what_cannot_be_is_refused(config: dict[str, object], words: str) -> None:
    with pytest.raises(Fault, match=words) as refused:
        check_metrics({"ProductionVariants": [{"ServerlessConfig": {}}], "MetricsConfig": config})
    assert refused.value.code == "ValidationException"


def test_the_frequency_is_known_after_a_restart(tmp_path: Path) -> None:
    """The snapshot holds it, so that a new control counts on."""
    snapshot = tmp_path / "routes.json"
    config = {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 30}
    first = Publisher(snapshot)
    first.open()
    first.put(WORLD, "e", "arn", [], {"metrics": config})
    second = Publisher(snapshot)
    second.open()
    assert (second.frequency(KEY), second.frequency("other")) == (30, 0)
