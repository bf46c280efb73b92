"""Recommendation jobs over stand-in endpoints and loads, every action once and twice, and control killed in between (L05, L07)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import IMAGE, ROLE, Harness, Parts
from support.signals import messages
from support.waiting import until

from sagewright.features.recommendations import plan as planning
from sagewright.features.recommendations.loader import LoadTest
from sagewright.features.recommendations.recommendations import Recommendations
from sagewright.kernel.errands import ErrandFailed
from sagewright.kernel.loop import Loop
from sagewright.kernel.operation import Context
from sagewright.wire.errors import validation

PAYLOAD = {"SamplePayloadUrl": "s3://bucket/payload.tar.gz", "SupportedContentTypes": ["text/csv"]}


class Endpoints:
    """Endpoints that are in service at the second look; ``asked`` is everything that was ever made."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.asked: list[str] = []

    async def create(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        assert name not in self.there
        self.there[name] = "Creating"
        self.asked.append(name)
        return {"EndpointArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}"}

    async def describe(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        if name not in self.there:
            raise validation(f'Could not find endpoint "{name}".')
        status, self.there[name] = self.there[name], "InService"
        return {
            "EndpointName": name,
            "EndpointArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}",
            "EndpointStatus": status,
            "CreationTime": 1.0,
            "LastModifiedTime": 1.0,
        }

    async def delete(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        if self.there.pop(request["EndpointName"]) == "Creating":
            raise validation("Cannot update in-progress endpoint")
        return {}


class Loads:
    """What was loaded; an answer for each, as soon as ``open``."""

    def __init__(self) -> None:
        self.tests: list[LoadTest] = []
        self.open = asyncio.Event()
        self.problem = ""

    async def open(self) -> None:
        """Nothing was left."""

    async def run(self, test: LoadTest) -> dict[str, Any]:
        self.tests.append(test)
        await self.open.wait()
        if self.problem:
            raise ErrandFailed(self.problem)
        return {"MaxInvocations": 600 * len(self.tests), "ModelLatency": 2.5, "Began": time.time(), "Ended": time.time()}


class Bench:
    """``restart`` is a control that died and came back."""

    def __init__(self, twice: bool) -> None:
        self._twice = twice
        self.endpoints, self.loads = Endpoints(), Loads()
        self.harness = Harness(
            controllers={"InferenceRecommendationsJob", "Endpoint"},
            rules=Recommendations.rules,
            quirks=Recommendations.quirks,
            install=self._install,
        )

    def __enter__(self) -> Bench:
        self.harness.__enter__()
        self.harness.run(self.loop.start())
        self.sagemaker = self.harness.client("sagemaker")
        container = {"Image": IMAGE, "Environment": {"KEPT": "yes"}}
        self.sagemaker.create_model(ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return self

    def __exit__(self, *error: Any) -> None:
        self.harness.run(self._stop())
        self.harness.__exit__(None, None, None)

    def restart(self) -> None:
        self.harness.run(self._stop())
        self._compose(self.harness.parts)
        self.harness.run(self.loop.start())

    def create(self, kind: str = "Default", name: str = "job", **given: Any) -> None:
        request = {"ModelName": "model", "ContainerConfig": {"PayloadConfig": PAYLOAD}, **given}
        self.sagemaker.create_inference_recommendations_job(JobName=name, JobType=kind, RoleArn=ROLE, InputConfig=request)

    def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(self.sagemaker.describe_inference_recommendations_job(JobName=name))

    until = staticmethod(until)

    def ended(self) -> dict[str, Any]:
        self.until(lambda: self.describe()["Status"] in planning.TERMINAL)
        return self.describe()

    def release(self) -> None:
        self.harness.run(self._release())

    async def _release(self) -> None:
        self.loads.open.set()

    def nothing_is_left(self) -> None:
        assert self.endpoints.there == {}
        assert self.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
        assert [model["ModelName"] for model in self.sagemaker.list_models()["Models"]] == ["model"]

    def lines(self) -> list[str]:
        store, group = self.harness.parts.store, "/aws/sagemaker/InferenceRecommendationsJobs"
        return self.harness.run(store.read(lambda transaction: messages(transaction, group, "job/execution")))

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.recommendations.register(parts.engine, parts.operations)
        for verb in ("create", "describe", "delete"):
            parts.operations.write("sagemaker", f"{verb.capitalize()}Endpoint", getattr(self.endpoints, verb))

    def _compose(self, parts: Parts) -> None:
        self.recommendations = Recommendations(
            parts.store, parts.client, self.loads, 5.0, lambda identity: self.loop.hint(identity)
        )
        self.loop = Loop(parts.store, [self.recommendations.controller], twice=self._twice)

    async def _stop(self) -> None:
        await self.loop.close()
        await self.recommendations.close()


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(planning, "LOOK_SECONDS", 0.01)
    with Bench(request.param) as made:
        yield made


def test_a_default_job(bench: Bench) -> None:
    bench.release()
    bench.create(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}])
    job = bench.ended()
    assert job["Status"] == "COMPLETED"
    (summary,) = bench.sagemaker.list_inference_recommendations_jobs(ModelNameEquals="model")["InferenceRecommendationsJobs"]
    assert (summary["JobDescription"], summary["Status"]) == ("", "COMPLETED")
    assert [entry["Metrics"]["MaxInvocations"] for entry in job["InferenceRecommendations"]] == [1200, 600]
    assert job["InferenceRecommendations"][0]["Metrics"]["ModelLatency"] == 3
    assert len(bench.endpoints.asked) == len(bench.loads.tests) == 2
    (first, _) = bench.loads.tests
    assert (first.payload, first.content_type, first.role) == ("s3://bucket/payload.tar.gz", "text/csv", ROLE)
    assert first.seconds == pytest.approx(5.0)
    lines = bench.lines()
    assert lines[0] == "Default job job: 2 benchmarks."
    assert lines[-1] == "Job job COMPLETED."
    assert len(lines) == 6
    bench.nothing_is_left()


def test_the_steps(bench: Bench) -> None:
    bench.create(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}])
    bench.until(lambda: bench.loads.tests)
    page = bench.sagemaker.list_inference_recommendations_job_steps(JobName="job", MaxResults=1)
    assert [step["Status"] for step in page["Steps"]] == ["IN_PROGRESS"]
    assert page["Steps"][0]["InferenceBenchmark"]["EndpointConfiguration"]["InstanceType"] == "ml.c5.large"
    rest = bench.sagemaker.list_inference_recommendations_job_steps(JobName="job", MaxResults=1, NextToken=page["NextToken"])
    assert [step["Status"] for step in rest["Steps"]] == ["PENDING"]
    assert "NextToken" not in rest
    (model,) = [each for each in bench.sagemaker.list_models()["Models"] if each["ModelName"] != "model"]
    made = bench.sagemaker.describe_model(ModelName=model["ModelName"])
    assert made["PrimaryContainer"]["Environment"] == {"KEPT": "yes"}
    bench.release()
    assert bench.ended()["Status"] == "COMPLETED"


def test_an_advanced_job_of_several_at_a_time_and_an_endpoint_that_is_there(bench: Bench) -> None:
    bench.endpoints.there["mine"] = "InService"
    ranges = {"CategoricalParameterRanges": [{"Name": "WORKERS", "Value": ["1", "2"]}]}
    bench.create(
        "Advanced",
        EndpointConfigurations=[{"InstanceType": "ml.c5.large", "EnvironmentParameterRanges": ranges}],
        Endpoints=[{"EndpointName": "mine"}],
        ResourceLimit={"MaxNumberOfTests": 3, "MaxParallelOfTests": 3},
        TrafficPattern={
            "TrafficType": "STAIRS",
            "Stairs": {"DurationInSeconds": 2, "NumberOfSteps": 3, "UsersPerStep": 1},
        },
    )
    bench.until(lambda: len(bench.loads.tests) == 3)
    bench.release()
    job = bench.ended()
    assert job["Status"] == "COMPLETED"
    assert job["EndpointPerformances"][0]["EndpointInfo"] == {"EndpointName": "mine"}
    assert {entry["ModelConfiguration"]["EnvironmentParameters"][0]["Value"] for entry in job["InferenceRecommendations"]} == {
        "1",
        "2",
    }
    assert bench.loads.tests[0].seconds == 6
    assert bench.endpoints.there.pop("mine")
    bench.nothing_is_left()


def test_control_dies_under_load_and_the_test_is_done_again(bench: Bench) -> None:
    bench.create(EndpointConfigurations=[{"InstanceType": "ml.c5.large"}])
    bench.until(lambda: bench.loads.tests)
    bench.restart()
    bench.until(lambda: len(bench.loads.tests) == 2)
    assert bench.loads.tests[0] == bench.loads.tests[1]
    bench.release()
    assert bench.ended()["Status"] == "COMPLETED"
    assert len(bench.endpoints.asked) == 2
    bench.nothing_is_left()


def test_a_job_is_stopped_under_load(bench: Bench) -> None:
    bench.create()
    bench.until(lambda: bench.loads.tests)
    bench.sagemaker.stop_inference_recommendations_job(JobName="job")
    job = bench.ended()
    assert job["Status"] == "STOPPED"
    assert "InferenceRecommendations" not in job
    bench.nothing_is_left()
    with pytest.raises(ClientError, match="in status STOPPED"):
        bench.sagemaker.stop_inference_recommendations_job(JobName="job")


def test_a_load_that_fails(bench: Bench) -> None:
    bench.loads.problem = "ClientError: The endpoint answered 415 to a sample payload: no"
    bench.release()
    bench.create()
    job = bench.ended()
    assert (job["Status"], job["FailureReason"]) == ("FAILED", bench.loads.problem)
    bench.nothing_is_left()


def test_without_a_payload(bench: Bench) -> None:
    bench.create(ContainerConfig={"Framework": "XGBOOST"})
    job = bench.ended()
    assert job["Status"] == "FAILED"
    assert job["FailureReason"].startswith("ClientError: There is no sample payload")


def test_a_model_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(ClientError, match="nothing"):
        bench.create(ModelName="nothing")
    assert bench.sagemaker.list_inference_recommendations_jobs()["InferenceRecommendationsJobs"] == []
