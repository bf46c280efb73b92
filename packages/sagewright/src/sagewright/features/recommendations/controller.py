"""Makes recommendation jobs true: looks at their endpoints and load tests, asks plan.py, and does what it says."""

from __future__ import annotations

from dataclasses import dataclass, field

from sagewright.features.recommendations import benchmark as benchmarks
from sagewright.features.recommendations import plan as planning
from sagewright.features.recommendations import traffic
from sagewright.features.recommendations.benchmark import Benchmark
from sagewright.features.recommendations.loader import Loader, LoadTest
from sagewright.features.recommendations.rules import KIND
from sagewright.features.recommendations.sight import Action, Clear, Load, Look, Make, Sight, Tell
from sagewright.features.recommendations.statistics import Conditions
from sagewright.features.recommendations.traffic import Phase
from sagewright.features.recommendations.workshop import Workshop
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errands
from sagewright.store.rows import Document, Identity, Resource

SHARE = 0.5
"""Of a default job's time that is load; the rest is for endpoints that come and go."""
_Key = tuple[Identity, float, int]


@dataclass(slots=True)
class RecommendationsController:
    """See kernel.controller.Controller. ``seconds``: of load for each configuration of a default job."""

    workshop: Workshop
    loader: Loader
    errands: Errands
    seconds: float
    kind: str = KIND
    _measured: dict[_Key, Document] = field(default_factory=dict)
    _refusals: dict[_Key, str] = field(default_factory=dict)

    async def observe(self, resource: Resource) -> Sight:
        """Only benchmarks that have begun have something to look at."""
        if resource.state in planning.TERMINAL:
            return Sight()
        if resource.state == "PENDING":
            return Sight(material=await self.workshop.material(resource))
        begun = [benchmark for benchmark in benchmarks.of(resource.status) if benchmark.open]
        return Sight(looks={benchmark.number: await self._look(resource, benchmark) for benchmark in begun})

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Make(benchmark):
                refusal = await self.workshop.make(resource, benchmark)
                if refusal:
                    self._refusals[_key(resource, benchmark)] = refusal
            case Load(benchmark, again):
                begin = self.errands.renew if again else self.errands.begin
                begin(resource.identity, _errand(benchmark), lambda: self._load(resource, benchmark))
            case Clear(benchmark):
                await self.errands.cancel(resource.identity, _errand(benchmark))
                await self.workshop.remove(resource, benchmark)
                self._measured.pop(_key(resource, benchmark), None)
                self._refusals.pop(_key(resource, benchmark), None)
            case Tell(number, text):
                await self.workshop.tell(resource, number, text)

    async def reset(self) -> None:
        """Forgets every job (test hooks)."""
        await self.errands.close()
        self._measured.clear()
        self._refusals.clear()

    async def close(self) -> None:
        """Ends the load tests; the next control does them again."""
        await self.errands.close()

    async def _look(self, resource: Resource, benchmark: Benchmark) -> Look:
        load, key = self.errands.look(resource.identity, _errand(benchmark)), _key(resource, benchmark)
        wanted = benchmark.state == "IN_PROGRESS" or benchmark.existing
        return Look(
            endpoint=await self.workshop.endpoint(resource, benchmark) if wanted else None,
            load=load,
            measured=self._measured.get(key, {}),
            use=await self.workshop.use(resource, benchmark) if load.state == "done" else {},
            refusal=self._refusals.get(key, ""),
        )

    async def _load(self, resource: Resource, benchmark: Benchmark) -> None:
        """Raises ErrandFailed, ConnectionError."""
        payload = resource.status["Payload"]
        test = LoadTest(
            account=resource.world.account,
            region=resource.world.region,
            role=resource.spec["RoleArn"],
            endpoint=benchmark.name,
            payload=payload["Url"],
            content_type=payload["ContentType"],
            phases=self._phases(resource),
            conditions=Conditions.of(resource.spec.get("StoppingConditions", {})),
        )
        self._measured[_key(resource, benchmark)] = await self.loader.run(test)

    def _phases(self, resource: Resource) -> tuple[Phase, ...]:
        if resource.spec["JobType"] == "Advanced":
            return traffic.of(resource.spec["InputConfig"].get("TrafficPattern", traffic.DEFAULT_PATTERN))
        share = planning.longest(resource.spec) * SHARE / len(benchmarks.of(resource.status))
        return traffic.default(min(self.seconds, share))


def _errand(benchmark: Benchmark) -> str:
    return f"load {benchmark.number}"


def _key(resource: Resource, benchmark: Benchmark) -> _Key:
    return resource.identity, resource.created, benchmark.number
