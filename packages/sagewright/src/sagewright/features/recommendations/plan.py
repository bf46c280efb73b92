"""What to do next with a recommendation job. Pure: a row, one look at its endpoints and the time give a plan.

PENDING (what the model brings is found) → IN_PROGRESS (benchmarks, some at a time: endpoint, load, away with it) → COMPLETED when one
of them was, else FAILED. STOPPING → STOPPED. A benchmark ends only after its endpoint was deleted, and its names follow from the job,
so nothing is left behind by a control that is killed: the next one finds the benchmark open and does it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sagewright.features.recommendations import benchmark as benchmarks
from sagewright.features.recommendations import results
from sagewright.features.recommendations.benchmark import Benchmark
from sagewright.features.recommendations.sight import Action, Clear, Load, Look, Make, Sight, Tell
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

TERMINAL = ("COMPLETED", "FAILED", "STOPPED")
LOOK_SECONDS = 0.5
"""Between two looks at endpoints that come, or at load tests."""
LONGEST_DEFAULT, LONGEST_ADVANCED = 2700, 7200
"""Seconds of a job that does not say (DG inference-recommender: about 45 minutes, about 2 hours)."""
TOO_SHORT = "ClientError: The job duration of {seconds} seconds was over before a load test was."


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    if resource.state in TERMINAL:
        return Plan()
    draft = _Draft(resource, sight, now, list(benchmarks.of(resource.status)), resource.status.get("Lines", 0))
    if resource.state == "PENDING":
        return draft.begin()
    draft.follow()
    return draft.plan()


def longest(spec: Mapping[str, Any]) -> float:
    """Seconds that a job may take."""
    usual = LONGEST_DEFAULT if spec["JobType"] == "Default" else LONGEST_ADVANCED
    return float(spec["InputConfig"].get("JobDurationInSeconds", usual))


@dataclass(slots=True)
class _Draft:
    """A plan in the making; lives for one call of ``plan``."""

    resource: Resource
    sight: Sight
    now: float
    benchmarks: list[Benchmark]
    lines: int
    actions: list[Action] = field(default_factory=list)

    def begin(self) -> Plan[Action]:
        """The benchmarks are written down before any is begun."""
        material = self.sight.material
        if material.problem:
            return self.end("FAILED", material.problem)
        made = benchmarks.begin(self.resource, material.instances)
        self.tell(f"{self.resource.spec['JobType']} job {self.resource.key}: {len(made)} benchmarks.")
        status = {
            **self.resource.status,
            "Benchmarks": [benchmark.document() for benchmark in made],
            "Payload": {"Url": material.payload, "ContentType": material.content_type},
            "Lines": self.lines,
        }
        return Plan(tuple(self.actions), status, "IN_PROGRESS", self.now)

    def follow(self) -> None:
        """Every open benchmark goes a step on; as many as may run at a time."""
        free = self.resource.spec["InputConfig"].get("ResourceLimit", {}).get("MaxParallelOfTests", 1)
        for number, benchmark in enumerate(self.benchmarks):
            if not benchmark.open:
                continue
            look = self.sight.looks.get(benchmark.number, Look())
            if self.resource.state == "STOPPING" or (self.over and look.load.state != "done"):
                self.benchmarks[number] = self.close(benchmark, "STOPPED")
            elif free > 0:
                self.benchmarks[number] = self.step(benchmark, look)
                free -= self.benchmarks[number].open

    @property
    def over(self) -> bool:
        """Whether the time of the job is."""
        return self.now >= self.resource.created + longest(self.resource.spec)

    def step(self, benchmark: Benchmark, look: Look) -> Benchmark:
        """Endpoint, load, results."""
        if benchmark.state == "PENDING":
            self.tell(f"Benchmark {benchmark.number} begins: {benchmark.words}.")
            benchmark = replace(benchmark, state="IN_PROGRESS", began=self.now)
        status = look.endpoint["EndpointStatus"] if look.endpoint else ""
        if look.refusal or status == "Failed":
            return self.close(benchmark, "FAILED", look.refusal or (look.endpoint or {}).get("FailureReason", ""))
        if look.load.state == "done":
            metrics = results.metrics(benchmark, look.measured, look.use)
            return self.close(replace(benchmark, metrics=metrics), "COMPLETED")
        if look.load.state == "failed" and not look.load.retry:
            return self.close(benchmark, "FAILED", look.load.problem)
        if not look.endpoint:
            self.actions.append(Make(benchmark))
        elif status == "InService" and look.load.state in ("absent", "failed"):
            self.actions.append(Load(benchmark, again=look.load.state == "failed"))
        return benchmark

    def close(self, benchmark: Benchmark, state: str, reason: str = "") -> Benchmark:
        """Away with what was made."""
        self.actions.append(Clear(benchmark))
        measured = ", ".join(f"{name} {value:g}" for name, value in benchmark.metrics.items() if isinstance(value, int | float))
        self.tell(f"Benchmark {benchmark.number} {state}: {reason or measured or benchmark.words}")
        return replace(benchmark, state=state, reason=reason, ended=self.now)

    def plan(self) -> Plan[Action]:
        """Saved when something has changed."""
        if not any(benchmark.open for benchmark in self.benchmarks):
            return self.end(*self.outcome())
        status = self.status()
        changed = status if status != self.resource.status else None
        return Plan(tuple(self.actions), changed, None, self.now + LOOK_SECONDS)

    def outcome(self) -> tuple[str, str]:
        """The job's state, and why it failed."""
        if self.resource.state == "STOPPING":
            return "STOPPED", ""
        if any(benchmark.state == "COMPLETED" for benchmark in self.benchmarks):
            return "COMPLETED", ""
        reasons = [benchmark.reason for benchmark in self.benchmarks if benchmark.reason]
        return "FAILED", next(iter(reasons), TOO_SHORT.format(seconds=int(longest(self.resource.spec))))

    def end(self, state: str, reason: str = "") -> Plan[Action]:
        """The results are written down with the last state."""
        self.tell(f"Job {self.resource.key} {state}{': ' if reason else '.'}{reason}")
        status = {**self.status(), "CompletionTime": self.now, **results.results(self.resource.key, self.benchmarks)}
        if reason:
            status["FailureReason"] = reason[:1024]
        return Plan(tuple(self.actions), status, state, None)

    def status(self) -> Document:
        """Of the row as it is now."""
        documents = [benchmark.document() for benchmark in self.benchmarks]
        return {**self.resource.status, "Benchmarks": documents, "Lines": self.lines}

    def tell(self, text: str) -> None:
        """A line for the log."""
        self.actions.append(Tell(self.lines, text))
        self.lines += 1
