"""Built-in algorithms on two instances by boto3 against a real server: each has its share of the data, one model comes out."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import botocore.exceptions
import pytest
from support.cases import load
from support.jobs import bucket, log_lines, training_job, wait_for_job
from support.server import Server
from support.shares import halves

from sagewright_algorithms.manifest import load as load_manifest

REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def data(server: Server) -> str:
    return bucket(server, "clusters")


def two_instances(server: Server, data: str, name: str) -> dict[str, Any]:
    """A job of the case whose training data lie in two objects, one for each instance."""
    case, s3 = load(name), server.client("s3")
    channels = []
    for channel, given in case.channels.items():
        parts = halves(given) if channel == "train" else (given,)
        for number, part in enumerate(parts):
            for path, content in part.files.items():
                s3.put_object(Bucket=data, Key=f"{name}/{channel}/{f'{number}-' if len(parts) > 1 else ''}{path}", Body=content)
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{data}/{name}/{channel}/",
            "S3DataDistributionType": "ShardedByS3Key" if channel == "train" else "FullyReplicated",
        }
        channels.append({"ChannelName": channel, "ContentType": given.content_type, "DataSource": {"S3DataSource": source}})
    repository = load_manifest(case.algorithm).repositories[0]
    request = training_job(
        f"two-{case.algorithm}",
        data,
        AlgorithmSpecification={"TrainingImage": f"{REGISTRY}/{repository}:1", "TrainingInputMode": "File"},
        HyperParameters=dict(case.hyperparameters),
        InputDataConfig=channels,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
    )
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    described: dict[str, Any] = wait_for_job(sagemaker, request["TrainingJobName"])
    return described


@pytest.mark.parametrize("name", ["kmeans", "ntm", "xgboost"])
def test_two_instances_train_one_model(server: Server, data: str, name: str) -> None:
    described = two_instances(server, data, name)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    case, job = load(name), described["TrainingJobName"]
    body = server.client("s3").get_object(Bucket=data, Key=f"output/{job}/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        files = {member.name.removeprefix("./") for member in tar.getmembers() if member.isfile()}
    assert files == set(case.artifact)
    metrics = {metric["MetricName"] for metric in described["FinalMetricDataList"]}
    assert set(case.metrics) <= metrics
    streams = server.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/"
    )["logStreams"]
    hosts = {stream["logStreamName"].split("/")[1].rsplit("-", 1)[0] for stream in streams}
    assert hosts == {"algo-1", "algo-2"}
    assert log_lines(server, "/aws/sagemaker/TrainingJobs", f"{job}/algo-2")


def test_an_algorithm_for_one_instance(server: Server, data: str) -> None:
    """What its manifest says is known when the job is created."""
    with pytest.raises(botocore.exceptions.ClientError, match="Latent Dirichlet Allocation on more than one instance"):
        two_instances(server, data, "lda")
