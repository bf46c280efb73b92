"""What the controller of recommendation jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sagewright.features.recommendations.benchmark import Benchmark
from sagewright.kernel.errands import ABSENT, Errand
from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Material:
    """What the model brings: where its sample payloads are, their content type, the instance types it supports.

    ``problem``: why there can be no test, empty when there can.
    """

    payload: str = ""
    content_type: str = ""
    instances: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a benchmark: DescribeEndpoint (None: not there), its load test, and what that has measured.

    ``refusal``: why its endpoint cannot be made. ``use``: CPUUtilization and the like, where the endpoint has them.
    """

    endpoint: Document | None = None
    load: Errand = ABSENT
    measured: Document = field(default_factory=dict)
    use: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """``material`` is looked at before the first test, ``looks`` are those of open benchmarks by their number."""

    material: Material = Material()
    looks: Mapping[int, Look] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Make:
    """Makes the model, the configuration and the endpoint of a benchmark, as far as they are not there."""

    benchmark: Benchmark


@dataclass(frozen=True, slots=True)
class Load:
    """Begins the load test; ``again``: an earlier one ended for a passing reason."""

    benchmark: Benchmark
    again: bool = False


@dataclass(frozen=True, slots=True)
class Clear:
    """Ends the load test and deletes whatever was made for it."""

    benchmark: Benchmark


@dataclass(frozen=True, slots=True)
class Tell:
    """Writes a line of the job's log, the one with this number."""

    number: int
    text: str


Action = Make | Load | Clear | Tell
