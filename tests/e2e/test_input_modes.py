"""K-Means by boto3 against a real server in the input modes that are not File (G05, H01)."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from support.jobs import bucket, training_job, wait_for_job
from support.record_io import records
from support.server import Server

from sagewright.compute.host import Host
from sagewright.compute.sandbox import Sandbox

WITHOUT_FUSE = Sandbox(Host(Path(), ())).without_file_systems
IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"


@pytest.fixture(scope="module")
def data(server: Server) -> str:
    """Three parts of iris, plain below plain/ and packed below packed/."""
    name = bucket(server, "input-modes")
    s3, rows = server.client("s3"), load_iris().data.astype("float32")
    for number in range(3):
        part = records(rows[number::3])
        s3.put_object(Bucket=name, Key=f"plain/{number}.pbr", Body=part)
        s3.put_object(Bucket=name, Key=f"packed/{number}.pbr.gz", Body=gzip.compress(part))
    return name


def trained(server: Server, data: str, name: str, prefix: str, mode: str, output: str = "", **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/{prefix}/", "S3DataDistributionType": "FullyReplicated"}
    content_type = "application/x-recordio-protobuf"
    channel = {"ChannelName": "train", "ContentType": content_type, "DataSource": {"S3DataSource": source}, **changes}
    request = training_job(
        name,
        output or data,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": mode},
        HyperParameters={"k": "3", "feature_dim": "4", "mini_batch_size": "50"},
        InputDataConfig=[channel],
    )
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    described: dict[str, Any] = wait_for_job(sagemaker, name)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    return described


def loss(described: dict[str, Any]) -> float:
    found = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
    return float(found["train:msd"])


def test_every_mode_brings_the_same_rows(server: Server, data: str) -> None:
    """Pipe with gzip files, and FastFile: the same model error as with File."""
    plain = loss(trained(server, data, "modes-file", "plain", "File"))
    shuffle = {"ShuffleConfig": {"Seed": 3}}
    piped = trained(server, data, "modes-pipe", "packed", "Pipe", CompressionType="Gzip")
    shuffled = trained(server, data, "modes-shuffle", "packed", "Pipe", CompressionType="Gzip", **shuffle)
    assert loss(piped) == pytest.approx(plain)
    assert loss(shuffled) == pytest.approx(plain, rel=0.5)
    fast = trained(server, data, "modes-fast", "plain", "FastFile")
    assert loss(fast) == pytest.approx(plain)
    message = {step["Status"]: step["StatusMessage"] for step in fast["SecondaryStatusTransitions"]}["Downloading"]
    assert ("copied before the training starts" in message) == bool(WITHOUT_FUSE)


def test_a_directory_bucket_is_a_source_like_any_other(server: Server, data: str) -> None:
    """B09: S3 Express One Zone. boto3 makes sessions for such a bucket by itself, and signs with their keys."""
    s3, name = server.client("s3"), "input-modes--use1-az4--x-s3"
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={
            "Location": {"Type": "AvailabilityZone", "Name": "use1-az4"},
            "Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"},
        },
    )
    s3.put_object(Bucket=name, Key="plain/0.pbr", Body=records(load_iris().data.astype("float32")))
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=name)["Contents"]] == ["plain/0.pbr"]
    s3.download_fileobj(name, "plain/0.pbr", io.BytesIO())
    keys = s3.create_session(Bucket=name)["Credentials"]
    assert keys["AccessKeyId"].startswith("ASIA")
    assert loss(trained(server, name, "modes-express", "plain", "FastFile", output=data)) > 0
