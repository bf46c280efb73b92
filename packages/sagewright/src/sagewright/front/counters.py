"""What the front counts of an endpoint's invocations, sent to control once a second in one message.

A count costs one dictionary look-up and some additions on the path of a request; CloudWatch's statistic sets (count, sum,
smallest, largest) lose nothing that the client could ask for except percentiles.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

import orjson

PERIOD = 1.0
"""Seconds between two messages."""

KEPT = 3600
"""Messages kept while control is away; older ones are dropped."""


Load = tuple[str, str, int, int] | tuple[str, str, int, int, str]
"""Endpoint, variant, calls under way, instances that share them; the one instance that is meant, where it is one."""
Dimensions = tuple[tuple[str, str], ...]
"""Names and values of CloudWatch's dimensions."""


class Spread:
    """A statistic set of times in microseconds."""

    __slots__ = ("count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = 0.0

    def add(self, value: float) -> None:
        """One more sample."""
        self.count += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)


class Tally:
    """One variant's invocations since the last message."""

    __slots__ = ("client_errors", "dropped", "invocations", "model", "model_errors", "overhead", "server_errors")

    def __init__(self) -> None:
        self.invocations = 0
        self.client_errors = 0
        self.server_errors = 0
        self.model_errors = 0
        self.dropped = 0
        self.model = Spread()
        self.overhead = Spread()

    def answered(self, status: int, model: float, overhead: float) -> None:
        """An answer of the model with ``status``; ``model`` and ``overhead`` in microseconds."""
        self.invocations += 1
        self.model.add(model)
        self.overhead.add(overhead)
        if status >= 400:
            self.model_errors += 1
            if status >= 500:
                self.server_errors += 1
            else:
                self.client_errors += 1

    def unanswered(self) -> None:
        """A call without an answer of the model."""
        self.invocations += 1
        self.server_errors += 1
        self.model_errors += 1


class Counters:
    """Counts by endpoint (``<account>/<region>/<name>``), variant and endpoint configuration (empty where it is not told).

    Where an ``instance`` is named (of endpoints with enhanced metrics), its calls are counted once more apart from the others'.
    """

    def __init__(self, period: float = PERIOD, loads: Callable[[], Iterable[Load]] = tuple) -> None:
        """``loads`` tells how busy the variants are at the moment of a message."""
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._instances: dict[tuple[str, str, str], Tally] = {}
        self._samples: dict[tuple[str, Dimensions, str, str], Spread] = {}
        self._period = period
        self._loads = loads

    def answered(
        self, endpoint: str, variant: str, status: int, model: float, overhead: float, config: str = "", instance: str = ""
    ) -> None:
        """An answer of the model with ``status``; ``model`` and ``overhead`` in seconds."""
        self._tally(endpoint, variant, config).answered(status, model * 1e6, overhead * 1e6)
        if instance:
            self._of_instance(endpoint, variant, instance).answered(status, model * 1e6, overhead * 1e6)

    def unanswered(self, endpoint: str, variant: str, config: str = "", instance: str = "") -> None:
        """A call that the model did not answer: it timed out, or the connection ended, or nobody could be reached."""
        self._tally(endpoint, variant, config).unanswered()
        if instance:
            self._of_instance(endpoint, variant, instance).unanswered()

    def dropped(self, endpoint: str, variant: str, config: str = "") -> None:
        """A copy of a call that a shadow variant did not get, because too many were under way."""
        self._tally(endpoint, variant, config).dropped += 1

    def contained(self, endpoint: str, variant: str, container: str, seconds: float) -> None:
        """How long one of a replica's containers took (Developer Guide, multi-container-metrics)."""
        self.sample(endpoint, (("VariantName", variant), ("ContainerName", container)), "ContainerLatency", seconds * 1e6)

    def sample(self, endpoint: str, dimensions: Dimensions, name: str, value: float, unit: str = "Microseconds") -> None:
        """One sample of a metric that only some endpoints have; ``dimensions`` besides EndpointName, ``value`` in CloudWatch's unit."""
        key = (endpoint, dimensions, name, unit)
        spread = self._samples.get(key)
        if spread is None:
            spread = self._samples[key] = Spread()
        spread.add(value)

    def drain(self, now: float) -> bytes | None:
        """Everything counted since the last drain as the body of an ``invocations`` message; None when there was nothing.

        ``{"at": epoch seconds, "variants": [{"endpoint", "variant", "config", a number for each count, [count, sum, minimum, maximum]
        in microseconds for each latency}], "loads": [[endpoint, variant, calls under way, instances, the one instance?]],
        "instances"?: [{"endpoint", "variant", "instance", counts and latencies as above}],
        "samples"?: [{"endpoint", "dimensions": {…}, "name", "unit", "statistics": as above}]}``
        """
        loads = list(self._loads())
        if not self._tallies and not self._samples and not loads:
            return None
        tallies, self._tallies = self._tallies, {}
        variants = [_document(key, "config", tally) for key, tally in tallies.items()]
        message: dict[str, object] = {"at": now, "variants": variants, "loads": loads}
        if self._instances:
            apart, self._instances = self._instances, {}
            message["instances"] = [_document(key, "instance", tally) for key, tally in apart.items()]
        if self._samples:
            samples, self._samples = self._samples, {}
            message["samples"] = [_sample(*key, spread) for key, spread in samples.items()]
        return orjson.dumps(message)

    async def flush(self, tell: Callable[[Mapping[str, str], bytes], Awaitable[None]]) -> None:
        """Sends what was counted every second, until cancelled; keeps it while control is away.

        ``tell`` sends one one-way message to control and raises ConnectionError when it cannot.
        """
        unsent: deque[bytes] = deque(maxlen=KEPT)
        while True:
            await asyncio.sleep(self._period)
            body = self.drain(time.time())
            if body is not None:
                unsent.append(body)
            with suppress(ConnectionError):
                while unsent:
                    await tell({"op": "invocations"}, unsent[0])
                    unsent.popleft()

    def _tally(self, endpoint: str, variant: str, config: str) -> Tally:
        tally = self._tallies.get((endpoint, variant, config))
        if tally is None:
            tally = self._tallies[endpoint, variant, config] = Tally()
        return tally

    def _of_instance(self, endpoint: str, variant: str, instance: str) -> Tally:
        tally = self._instances.get((endpoint, variant, instance))
        if tally is None:
            tally = self._instances[endpoint, variant, instance] = Tally()
        return tally


def _document(key: tuple[str, str, str], last: str, tally: Tally) -> dict[str, object]:
    """``last``: what the third part of the key is."""
    endpoint, variant, third = key
    return {
        "endpoint": endpoint,
        "variant": variant,
        last: third,
        "Invocations": tally.invocations,
        "Invocation4XXErrors": tally.client_errors,
        "Invocation5XXErrors": tally.server_errors,
        "InvocationModelErrors": tally.model_errors,
        "ShadowInvocationsDropped": tally.dropped,
        "ModelLatency": _statistics(tally.model),
        "OverheadLatency": _statistics(tally.overhead),
    }


def _sample(endpoint: str, dimensions: Dimensions, name: str, unit: str, spread: Spread) -> dict[str, object]:
    return {
        "endpoint": endpoint,
        "dimensions": dict(dimensions),
        "name": name,
        "unit": unit,
        "statistics": _statistics(spread),
    }


def _statistics(spread: Spread) -> list[float]:
    return [spread.count, spread.total, spread.minimum if spread.count else 0.0, spread.maximum]
