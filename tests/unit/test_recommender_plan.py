"""Recommendation jobs: what is planned, what is measured, what is recommended, what is refused (L05, L06, L07)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.features.recommendations import benchmark as benchmarks
from sagewright.features.recommendations import prices, results, traffic
from sagewright.features.recommendations.benchmark import Benchmark
from sagewright.features.recommendations.plan import plan
from sagewright.features.recommendations.rules import check
from sagewright.features.recommendations.sight import Clear, Load, Look, Make, Material, Sight, Tell
from sagewright.features.recommendations.statistics import Conditions, Stage, best, enough, percentile
from sagewright.features.recommendations.traffic import Phase
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.kernel.operation import Caller, Context
from sagewright.store.rows import Resource
from sagewright.wire.errors import Fault

NOW = 1_800_000_000.0
WORLD = World("123456789012", "us-east-1")
MEASURED = {"MaxInvocations": 1200, "ModelLatency": 3.2, "Began": NOW, "Ended": NOW + 5}
IN_SERVICE = {"EndpointStatus": "InService"}


def job(state: str = "IN_PROGRESS", kind: str = "Default", **given: Any) -> Resource:
    spec = {"JobName": "j", "JobType": kind, "RoleArn": "r", "InputConfig": {"ModelName": "m", **given}}
    row = Resource(WORLD, "InferenceRecommendationsJob", "j", "arn:j", "j", state=state, spec=spec, created=NOW, modified=NOW)
    if state == "PENDING":
        return row
    begun = plan(replace(row, state="PENDING"), Sight(Material("s3://b/p.tar.gz", "text/csv")), NOW)
    assert begun.status is not None
    return replace(row, status=dict(begun.status))


def kinds(found: Plan[Any]) -> list[type]:
    return [type(action) for action in found.actions if not isinstance(action, Tell)]


def advanced(row: Resource, found: Plan[Any]) -> Resource:
    return replace(row, status=found.status or row.status, state=found.state or row.state)


def test_a_default_job_tries_instance_types_and_threads() -> None:
    found = benchmarks.of(job().status)
    assert [(each.instance, each.environment) for each in found[:2]] == [
        ("ml.c5.large", {}),
        ("ml.c5.large", {"OMP_NUM_THREADS": "1"}),
    ]
    assert len({each.name for each in found}) == len(found) == 8
    assert all(len(each.name) <= 63 for each in found)
    assert benchmarks.of(job().status) == found


def test_a_default_job_of_a_container_for_serverless_endpoints() -> None:
    found = benchmarks.of(job(ContainerConfig={"SupportedEndpointType": "Serverless"}).status)
    assert [each.serverless["MemorySizeInMB"] for each in found] == [1024, 2048, 4096]


def test_an_advanced_job_tries_every_combination_up_to_its_limit() -> None:
    ranges = [{"Name": "A", "Value": ["1", "2"]}, {"Name": "B", "Value": ["x", "y"]}]
    entry = {"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": {"CategoricalParameterRanges": ranges}}
    given = {"EndpointConfigurations": [entry], "ResourceLimit": {"MaxNumberOfTests": 3}, "Endpoints": [{"EndpointName": "e"}]}
    found = benchmarks.of(job(kind="Advanced", **given).status)
    assert [(each.existing, each.environment) for each in found] == [
        (True, {}),
        (False, {"A": "1", "B": "x"}),
        (False, {"A": "1", "B": "y"}),
    ]
    assert found[0].name == "e"


def test_one_benchmark_after_the_other() -> None:
    row = job(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}])
    found = plan(row, Sight(), NOW)
    assert kinds(found) == [Make]
    row = advanced(row, found)
    assert [each.state for each in benchmarks.of(row.status)] == ["IN_PROGRESS", "PENDING"]
    assert kinds(plan(row, Sight(looks={0: Look({"EndpointStatus": "Creating"})}), NOW)) == []
    assert kinds(plan(row, Sight(looks={0: Look(IN_SERVICE)}), NOW)) == [Load]
    assert kinds(plan(row, Sight(looks={0: Look(IN_SERVICE, Errand("running"))}), NOW)) == []
    found = plan(row, Sight(looks={0: Look(IN_SERVICE, Errand("done"), MEASURED)}), NOW)
    assert kinds(found) == [Clear, Make]  # the place is free at once
    row = advanced(row, plan(advanced(row, found), Sight(looks={1: Look(IN_SERVICE, Errand("done"), MEASURED)}), NOW))
    assert row.state == "COMPLETED"
    assert len(row.status["InferenceRecommendations"]) == 2
    assert row.status["CompletionTime"] == NOW


def test_several_at_a_time() -> None:
    entries = [{"InstanceType": kind} for kind in ("ml.c5.large", "ml.m5.large", "ml.c5.xlarge")]
    row = job(kind="Advanced", EndpointConfigurations=entries, ResourceLimit={"MaxParallelOfTests": 2})
    assert kinds(plan(row, Sight(), NOW)) == [Make, Make]


def test_what_cannot_be_tested_fails_alone_and_the_rest_counts() -> None:
    row = job(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}])
    found = plan(row, Sight(looks={0: Look({"EndpointStatus": "Failed", "FailureReason": "no memory"})}), NOW)
    assert kinds(found) == [Clear, Make]
    row = advanced(row, found)
    done = plan(row, Sight(looks={1: Look(IN_SERVICE, Errand("failed", "ClientError: 415"))}), NOW)
    assert (done.state, done.status and done.status["FailureReason"]) == ("FAILED", "no memory")
    again = plan(row, Sight(looks={1: Look(IN_SERVICE, Errand("failed", "passing", retry=True))}), NOW)
    assert again.actions == (Load(benchmarks.of(row.status)[1], again=True),)
    refused = plan(row, Sight(looks={1: Look(refusal="ClientError: no such image")}), NOW)
    assert refused.state == "FAILED"


def test_stopping_leaves_nothing_behind() -> None:
    """Even a benchmark that seems not to have begun: control may have been killed before it was written down."""
    row = replace(job(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}]), state="STOPPING")
    found = plan(row, Sight(), NOW)
    assert kinds(found) == [Clear, Clear]
    assert found.state == "STOPPED"
    assert plan(advanced(row, found), Sight(), NOW) == Plan()


def test_the_time_of_a_job_ends() -> None:
    row = job(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}], JobDurationInSeconds=10)
    found = plan(row, Sight(), NOW + 10)
    assert kinds(found) == [Clear, Clear]
    assert found.state == "FAILED"
    assert found.status is not None
    assert "duration of 10 seconds" in found.status["FailureReason"]
    one = plan(row, Sight(looks={0: Look(IN_SERVICE, Errand("done"), MEASURED)}), NOW + 10)
    assert one.state == "COMPLETED"
    one = plan(row, Sight(looks={0: Look(IN_SERVICE, Errand("done"), MEASURED)}), NOW)
    assert plan(advanced(row, one), Sight(), NOW + 10).state == "COMPLETED"


def test_without_a_payload_it_fails() -> None:
    found = plan(job("PENDING"), Sight(Material(problem="ClientError: There is no sample payload")), NOW)
    assert (found.state, kinds(found)) == ("FAILED", [])


def test_the_cheapest_inference_comes_first() -> None:
    done = [
        Benchmark(0, "a", "ml.c5.xlarge", state="COMPLETED"),
        Benchmark(1, "b", "ml.c5.large", environment={"N": "1"}, state="COMPLETED"),
        Benchmark(2, "c", "ml.unknown9.large", state="COMPLETED"),
        Benchmark(3, "d", existing=True, state="COMPLETED"),
        Benchmark(4, "e", "ml.c5.large", state="FAILED"),
    ]
    done = [replace(each, metrics=results.metrics(each, MEASURED, {"CPUUtilization": 80.5})) for each in done]
    found = results.results("j", done)
    assert [entry["EndpointConfiguration"]["EndpointName"] for entry in found["InferenceRecommendations"]] == ["b", "a", "c"]
    first = found["InferenceRecommendations"][0]
    assert first["Metrics"] == {
        "CostPerHour": 0.102,
        "CostPerInference": pytest.approx(0.102 / 60 / 1200),
        "MaxInvocations": 1200,
        "ModelLatency": 4,
        "CpuUtilization": 80.5,
    }
    assert first["ModelConfiguration"] == {"EnvironmentParameters": [{"Key": "N", "ValueType": "String", "Value": "1"}]}
    assert first["RecommendationId"].split("/")[0] == "j"
    assert found["EndpointPerformances"] == [
        {"Metrics": {"MaxInvocations": 1200, "ModelLatency": 4}, "EndpointInfo": {"EndpointName": "d"}}
    ]


def test_serverless_costs_by_memory_and_time() -> None:
    each = Benchmark(0, "a", serverless={"MemorySizeInMB": 2048, "MaxConcurrency": 5})
    found = results.metrics(each, MEASURED, {"ModelSetupTime": 12.0})
    assert found["CostPerInference"] == pytest.approx(2 * 0.0032 * prices.PER_GB_SECOND)
    assert found["ModelSetupTime"] == 12
    assert "CostPerHour" not in found


@pytest.mark.parametrize(
    ("instance", "dollars"),
    [
        ("ml.m5.large", 0.115),
        ("ml.c5.4xlarge", 0.816),
        ("ml.t2.medium", 0.0558),
        ("ml.p3.2xlarge", 3.826),
        ("ml.z9.large", None),
    ],
)
def test_prices(instance: str, dollars: float | None) -> None:
    assert prices.per_hour(instance) == (None if dollars is None else pytest.approx(dollars, abs=0.0005))


def test_traffic_patterns() -> None:
    phases = traffic.of({"Phases": [{"InitialNumberOfUsers": 2, "SpawnRate": 3, "DurationInSeconds": 120}]})
    assert [traffic.users_at(phases, second) for second in (0, 19, 20, 60, 119, 120)] == [2, 2, 3, 5, 7, 0]
    stairs = {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": 10, "NumberOfSteps": 3, "UsersPerStep": 2}}
    assert traffic.of(stairs) == (Phase(2, 0, 10), Phase(4, 0, 10), Phase(6, 0, 10))
    assert sum(phase.seconds for phase in traffic.default(5.0)) == pytest.approx(5.0)


def stage(users: int, count: int, milliseconds: float = 10.0, errors: int = 0) -> Stage:
    return Stage(users, 1.0, (milliseconds,) * count, errors)


def test_percentiles() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 99) == math.inf


def test_stopping_conditions() -> None:
    strict = Conditions.of(
        {"ModelLatencyThresholds": [{"Percentile": "P99", "ValueInMilliseconds": 20}], "MaxInvocations": 1800}
    )
    assert strict == Conditions(99.0, 20.0, 1800.0, True)
    assert enough([stage(1, 10, 21.0)], strict, stage_is_over=False) == "ModelLatencyThresholds"
    assert enough([stage(1, 30)], strict, stage_is_over=False) == "MaxInvocations"
    assert enough([stage(1, 10)], strict, stage_is_over=True) == ""
    rising, flat = [stage(1, 10), stage(2, 10), stage(4, 11)], [stage(1, 10), stage(2, 10), stage(4, 10)]
    assert enough(flat[:2], Conditions(), stage_is_over=True) == ""
    assert enough(rising, Conditions(), stage_is_over=True) == ""
    assert enough(flat, Conditions(), stage_is_over=True) == "FlatInvocations"
    assert enough(flat, Conditions(), stage_is_over=False) == ""
    assert enough(flat, Conditions.of({"FlatInvocations": "Continue"}), stage_is_over=True) == ""


def test_the_best_stage_keeps_the_threshold_and_has_no_errors() -> None:
    slow = [stage(1, 10, 10.0), stage(2, 20, 15.0), stage(4, 30, 30.0), stage(8, 90, 9.0, errors=1)]
    assert best(slow, Conditions(milliseconds=20.0)) == slow[1]
    assert best(slow, Conditions()) == slow[2]
    assert best(slow, Conditions(milliseconds=1.0)) == slow[0]
    assert best([stage(1, 5, errors=2)], Conditions()) is None
    two = [stage(1, 10), stage(1, 20)]
    found = best(two, Conditions())
    assert found is not None
    assert (found.seconds, found.rate) == (2.0, 900.0)


@pytest.mark.parametrize(
    ("kind", "given", "more", "words"),
    [
        ("Default", {"ModelPackageVersionArn": "arn"}, {}, "Exactly one of ModelName"),
        ("Default", {"TrafficPattern": {}}, {}, "TrafficPattern is for jobs of type Advanced"),
        ("Default", {}, {"StoppingConditions": {}}, "StoppingConditions is for jobs of type Advanced"),
        ("Default", {"EndpointConfigurations": [{}]}, {}, "exactly one of InstanceType and ServerlessConfig"),
        ("Default", {}, {"OutputConfig": {"CompiledOutputConfig": {}}}, "CompiledOutputConfig is not supported"),
        ("Advanced", {}, {}, "needs InputConfig.EndpointConfigurations"),
        ("Advanced", {"Endpoints": [{}], "TrafficPattern": {"TrafficType": "STAIRS"}}, {}, "needs Stairs"),
        ("Advanced", {"Endpoints": [{}], "TrafficPattern": {"Phases": [{"SpawnRate": 1}]}}, {}, "needs InitialNumberOfUsers"),
        ("Advanced", {"Endpoints": [{}], "JobDurationInSeconds": 60}, {}, "must not exceed JobDurationInSeconds"),
        (
            "Advanced",
            {"Endpoints": [{}]},
            {"StoppingConditions": {"ModelLatencyThresholds": [{"Percentile": "95", "ValueInMilliseconds": 1}]}},
            "P95 or P99",
        ),
    ],
)
def test_what_is_refused(kind: str, given: dict[str, Any], more: dict[str, Any], words: str) -> None:
    context = Context(Caller(WORLD, "arn", "key"), "id", NOW)
    with pytest.raises(Fault, match=words):
        check(context, {"JobType": kind, "InputConfig": {"ModelName": "m", **given}, **more})
