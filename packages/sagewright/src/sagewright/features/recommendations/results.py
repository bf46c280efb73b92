"""The results of benchmarks in AWS's documents. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sagewright.features.recommendations import prices
from sagewright.features.recommendations.benchmark import VARIANT, Benchmark
from sagewright.store.rows import Document

MOST = 10
"""InferenceRecommendations of an answer (model)."""
_USES = {"CPUUtilization": "CpuUtilization", "MemoryUtilization": "MemoryUtilization", "ModelSetupTime": "ModelSetupTime"}


def metrics(benchmark: Benchmark, measured: Mapping[str, Any], use: Mapping[str, float]) -> Document:
    """RecommendationMetrics: dollars, invocations a minute, milliseconds (ModelSetupTime: microseconds, as CloudWatch's), percent.

    What nobody has measured is not there. The times of the first and last invocation lie beside them.
    """
    most, latency = measured["MaxInvocations"], measured["ModelLatency"]
    found: Document = {"MaxInvocations": most, "ModelLatency": math.ceil(latency)}
    hourly = prices.per_hour(benchmark.instance)
    if benchmark.serverless:
        found["CostPerInference"] = prices.serverless(benchmark.serverless["MemorySizeInMB"], latency)
    elif hourly is not None:
        found["CostPerHour"] = hourly
        each = prices.per_inference(hourly, most)
        found.update({} if each is None else {"CostPerInference": each})
    for name, member in _USES.items():
        if name in use:
            found[member] = int(use[name]) if member == "ModelSetupTime" else use[name]
    return {**found, "Times": [measured["Began"], measured["Ended"]]}


def results(job: str, benchmarks: Sequence[Benchmark]) -> Document:
    """InferenceRecommendations, the cheapest inference first, and EndpointPerformances; neither when there are none."""
    done = [benchmark for benchmark in benchmarks if benchmark.state == "COMPLETED"]
    made = sorted((benchmark for benchmark in done if not benchmark.existing), key=_rank)[:MOST]
    compared = [benchmark for benchmark in done if benchmark.existing]
    found: Document = {}
    if made:
        found["InferenceRecommendations"] = [
            {"RecommendationId": f"{job}/{_digest(benchmark.name)}", **described(benchmark)} for benchmark in made
        ]
    if compared:
        found["EndpointPerformances"] = [
            {"Metrics": _plain(benchmark.metrics), "EndpointInfo": {"EndpointName": benchmark.name}} for benchmark in compared
        ]
    return found


def step(job: str, benchmark: Benchmark) -> Document:
    """An InferenceRecommendationsJobStep."""
    found = {"EndpointMetrics": _plain(benchmark.metrics)} if benchmark.existing and benchmark.metrics else {}
    inference = {**described(benchmark), **found}
    if benchmark.reason:
        inference["FailureReason"] = benchmark.reason
    return {"StepType": "BENCHMARK", "JobName": job, "Status": benchmark.state, "InferenceBenchmark": inference}


def described(benchmark: Benchmark) -> Document:
    """What recommendations and steps have in common."""
    endpoint: Document = {"EndpointName": benchmark.name, "VariantName": VARIANT}
    if benchmark.serverless:
        endpoint["ServerlessConfig"] = benchmark.serverless
    elif benchmark.instance:
        endpoint.update(InstanceType=benchmark.instance, InitialInstanceCount=1)
    parameters = [{"Key": key, "ValueType": "String", "Value": value} for key, value in benchmark.environment.items()]
    found: Document = {
        "EndpointConfiguration": endpoint,
        "ModelConfiguration": {"EnvironmentParameters": parameters} if parameters else {},
    }
    if benchmark.metrics:
        found["InvocationStartTime"], found["InvocationEndTime"] = benchmark.metrics["Times"]
        if not benchmark.existing:
            found["Metrics"] = {name: value for name, value in benchmark.metrics.items() if name != "Times"}
    return found


def _plain(found: Mapping[str, Any]) -> Document:
    """InferenceMetrics."""
    return {"MaxInvocations": found["MaxInvocations"], "ModelLatency": found["ModelLatency"]}


def _rank(benchmark: Benchmark) -> tuple[float, float]:
    return benchmark.metrics.get("CostPerInference", math.inf), benchmark.metrics["ModelLatency"]


def _digest(name: str) -> str:
    """Eight letters, as the SDK wants them."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
