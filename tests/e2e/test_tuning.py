"""Tuning jobs against a real server: the built-in XGBoost, and a long script that is stopped in three ways (I01, I02)."""

from __future__ import annotations

from typing import Any

import pytest
from support.jobs import archive, breast_cancer, bucket, csv, script_job, training_job, wait
from support.server import SKLEARN, Server

_ENDED = {"Completed", "Failed", "Stopped"}
_LONG = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
arguments, _ = parser.parse_known_args()
for epoch in range(200):
    print(f"loss={arguments.rate + 1 / (epoch + 1)!r}", flush=True)
    time.sleep(0.05)
"""


def _tuning(name: str, config: dict[str, Any], definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {"Strategy": "Random", **config},
        "TrainingJobDefinition": definition,
        **more,
    }


def _definition(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    kept = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
    return {**{member: request[member] for member in kept if member in request}, **changes}


def _ended(server: Server, name: str, seconds: float = 90.0) -> dict[str, Any]:
    sagemaker = server.client("sagemaker")
    return wait(
        lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
        "HyperParameterTuningJobStatus",
        _ENDED,
        seconds,
    )


def _counters(server: Server, name: str) -> dict[str, Any]:
    job = server.client("sagemaker").describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return dict(job["TrainingJobStatusCounters"])


def test_the_built_in_xgboost(server: Server) -> None:
    """I01: the objective alone makes the algorithm report it; the best training job's model is there."""
    store = bucket(server, "tuning-xgboost")
    rows = breast_cancer()[0]
    for channel, part in (("train", rows[:300]), ("validation", rows[300:])):
        server.client("s3").put_object(Bucket=store, Key=f"{channel}/{channel}.csv", Body=csv(part))
    request = training_job("tuned-xgboost", store)
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    validation = {**source, "S3Uri": f"s3://{store}/validation/"}
    channels = [
        *request["InputDataConfig"],
        {"ChannelName": "validation", "ContentType": "text/csv", "DataSource": {"S3DataSource": validation}},
    ]
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:logloss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": 3},
        "ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.01", "MaxValue": "0.5", "ScalingType": "Logarithmic"}],
            "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "8"}],
        },
    }
    definition = _definition(request, InputDataConfig=channels, StaticHyperParameters=request["HyperParameters"])
    server.client("sagemaker").create_hyper_parameter_tuning_job(**_tuning("tuned-xgboost", config, definition))
    job = _ended(server, "tuned-xgboost")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 12, "Pending": 0, "Failed": 0}
    best = server.client("sagemaker").describe_training_job(TrainingJobName=job["BestTrainingJob"]["TrainingJobName"])
    assert best["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] < 0.2


_HYPERBAND = {"Strategy": "Hyperband", "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 3, "MaxResource": 30}}}


@pytest.mark.parametrize(
    "config", [pytest.param(_HYPERBAND, marks=pytest.mark.slow), {"Strategy": "Random"}], ids=["hyperband", "stopped"]
)
def test_a_long_script(server: Server, config: dict[str, Any]) -> None:
    """API HyperbandStrategyConfig, StopHyperParameterTuningJob: training jobs end by StopTrainingJob, as Stopped."""
    name = f"long-{config['Strategy'].lower()}"
    store = bucket(server, name)
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": _LONG}))
    request = script_job(name, store, SKLEARN)
    algorithm = {**request["AlgorithmSpecification"], "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e+-]+)"}]}
    whole = {
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0", "MaxValue": "1"}]},
        **config,
    }
    definition = _definition(request, AlgorithmSpecification=algorithm, StaticHyperParameters=request["HyperParameters"])
    sagemaker = server.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**_tuning(name, whole, definition))
    if config["Strategy"] == "Random":
        wait(lambda: _counters(server, name), "InProgress", {2}, 30)
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = _ended(server, name)
    counters = job["TrainingJobStatusCounters"]
    if config["Strategy"] == "Random":
        assert (job["HyperParameterTuningJobStatus"], counters["Stopped"]) == ("Stopped", 2)
    else:
        assert (job["HyperParameterTuningJobStatus"], counters["Stopped"]) == ("Completed", 4), job.get("FailureReason")
        assert job["ObjectiveStatusCounters"]["Succeeded"] == 4
