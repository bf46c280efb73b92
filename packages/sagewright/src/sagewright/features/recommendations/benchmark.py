"""One load test: a configuration of an endpoint, and what became of it. It lies in the job's status, so that a restart finds it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from sagewright.store.rows import Document, Resource

VARIANT = "AllTraffic"
DEFAULT_INSTANCES = ("ml.c5.large", "ml.m5.large", "ml.c5.xlarge", "ml.c5.2xlarge")
"""Of a default job whose model names none."""
DEFAULT_ENVIRONMENTS: tuple[Mapping[str, str], ...] = ({}, {"OMP_NUM_THREADS": "1"})
"""As the container chooses, and with one thread for each prediction: many small calls want the latter."""
DEFAULT_MEMORY = (1024, 2048, 4096)
"""Megabytes of a default job whose container supports serverless endpoints."""
DEFAULT_CONCURRENCY = 5
MOST_TESTS = 10
"""When MaxNumberOfTests does not say: as many as an answer has room for recommendations."""
ENDED = ("COMPLETED", "FAILED", "STOPPED")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``name`` is that of its model, configuration and endpoint, or of an ``existing`` endpoint. Times in epoch seconds."""

    number: int
    name: str
    instance: str = ""
    serverless: Document = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    existing: bool = False
    state: str = "PENDING"
    reason: str = ""
    metrics: Document = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    @property
    def open(self) -> bool:
        """Whether something of it may be there."""
        return self.state not in ENDED

    @property
    def words(self) -> str:
        """For the log: what is tested."""
        where = self.name if self.existing else self.instance or f"serverless {self.serverless['MemorySizeInMB']} MB"
        return " ".join([where, *(f"{name}={value}" for name, value in self.environment.items())])

    def document(self) -> Document:
        """For the row."""
        return asdict(self)


def of(status: Mapping[str, Any]) -> tuple[Benchmark, ...]:
    """Those of a job's status, in the order of their numbers."""
    return tuple(Benchmark(**document) for document in status.get("Benchmarks", ()))


def begin(job: Resource, supported: tuple[str, ...]) -> tuple[Benchmark, ...]:
    """Everything that a new job tests; ``supported`` are the instance types that its model names."""
    given = job.spec["InputConfig"]
    most = given.get("ResourceLimit", {}).get("MaxNumberOfTests", MOST_TESTS)
    endpoints = [Benchmark(0, entry["EndpointName"], existing=True) for entry in given.get("Endpoints", ())]
    found = [*endpoints, *_configurations(given, supported, job.spec["JobType"])][:most]
    return tuple(_numbered(job, number, benchmark) for number, benchmark in enumerate(found))


def _configurations(given: Mapping[str, Any], supported: tuple[str, ...], kind: str) -> Iterator[Benchmark]:
    configurations = given.get("EndpointConfigurations", ())
    if kind == "Default":
        types = [entry["InstanceType"] for entry in configurations if "InstanceType" in entry]
        serverless = [entry["ServerlessConfig"] for entry in configurations if "ServerlessConfig" in entry]
        if not configurations and given.get("ContainerConfig", {}).get("SupportedEndpointType") == "Serverless":
            serverless = [{"MemorySizeInMB": size, "MaxConcurrency": DEFAULT_CONCURRENCY} for size in DEFAULT_MEMORY]
        instances = types or ([] if serverless else [*(supported or DEFAULT_INSTANCES)][: MOST_TESTS // 2])
        yield from (Benchmark(0, "", serverless=entry) for entry in serverless)
        for instance, environment in product(instances, DEFAULT_ENVIRONMENTS):
            yield Benchmark(0, "", instance, environment=dict(environment))
        return
    for entry in configurations:
        for environment in _environments(entry.get("EnvironmentParameterRanges", {})):
            yield Benchmark(0, "", entry.get("InstanceType", ""), entry.get("ServerlessConfig", {}), environment)


def _environments(ranges: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Every combination of the values."""
    parameters = ranges.get("CategoricalParameterRanges", ())
    for values in product(*(parameter["Value"] for parameter in parameters)):
        yield {parameter["Name"]: value for parameter, value in zip(parameters, values, strict=True)}


def _numbered(job: Resource, number: int, benchmark: Benchmark) -> Benchmark:
    """Its name follows from the job, so that a restarted control finds what it has made."""
    digest = hashlib.sha256(f"{job.arn}/{job.created!r}/{number}".encode()).hexdigest()[:16]
    name = benchmark.name if benchmark.existing else f"sm-epc-{digest}"
    return Benchmark(number, name, benchmark.instance, benchmark.serverless, benchmark.environment, benchmark.existing)
