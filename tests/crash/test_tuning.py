"""kill -9 while a tuning job runs: no trial is lost, none is repeated (I01)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.jobs import archive, bucket, log_lines, script_job, wait
from support.server import SKLEARN, Server, eventually, running_server

_SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
arguments, _ = parser.parse_known_args()
print("announced", flush=True)
time.sleep(0.5)
print(f"loss={(arguments.rate - 0.3) ** 2!r}", flush=True)
"""
_TRIALS = 10


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def _request(name: str, store: str) -> dict[str, Any]:
    request = script_job(name, store, SKLEARN)
    algorithm = {**request["AlgorithmSpecification"], "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e+-]+)"}]}
    kept = ("RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "RandomSeed": 3,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": _TRIALS, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0", "MaxValue": "1"}]},
        },
        "TrainingJobDefinition": {
            **{member: request[member] for member in kept},
            "AlgorithmSpecification": algorithm,
            "StaticHyperParameters": request["HyperParameters"],
        },
    }


@pytest.mark.parametrize("victim", ["control", pytest.param("everything", marks=pytest.mark.slow)])
def test_every_trial_ran_once(server: Server, victim: str) -> None:
    name = f"tuning-{victim}"
    store = bucket(server, name)
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": _SCRIPT}))
    sagemaker = server.client("sagemaker")
    arn = sagemaker.create_hyper_parameter_tuning_job(**_request(name, store))["HyperParameterTuningJobArn"]

    def describe() -> dict[str, Any]:
        return dict(sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))

    for done in (1, 4, 7):
        eventually(lambda done=done: describe()["TrainingJobStatusCounters"]["Completed"] >= done, 60)
        if victim == "everything":
            server.kill_everything()
            server.start()
        else:
            server.kill(victim)
            server.wait_until_healthy()
    job = wait(describe, "HyperParameterTuningJobStatus", {"Completed", "Failed"}, 120)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobStatusCounters"]["Completed"] == _TRIALS
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, MaxResults=100)
    names = [item["TrainingJobName"] for item in listed["TrainingJobSummaries"]]
    assert [int(item.removeprefix(f"{name}-").split("-")[0]) for item in names] == list(range(1, _TRIALS + 1))
    for child in names:
        lines = log_lines(server, "/aws/sagemaker/TrainingJobs", f"{child}/")
        assert sum(line == "announced" for line in lines) == 1, (child, lines)
        assert sagemaker.describe_training_job(TrainingJobName=child)["TuningJobArn"] == arn
    others = sagemaker.list_training_jobs(NameContains=name, MaxResults=100)["TrainingJobSummaries"]
    assert {item["TrainingJobName"] for item in others} == set(names)
