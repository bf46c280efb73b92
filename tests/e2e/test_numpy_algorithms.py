"""K-Means and Linear Learner by boto3 against a real server: train, metrics, deploy, every format, failures (H01, H05)."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import botocore.exceptions
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import roc_auc_score
from support.jobs import breast_cancer, bucket, csv, log_lines, training_job, wait_for_endpoint, wait_for_job
from support.server import ROLE, Server

from sagewright_algorithms.recordio import decode

REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def data(server: Server) -> str:
    name = bucket(server, "numpy-algorithms")
    train, test, labels = breast_cancer()
    s3 = server.client("s3")
    s3.put_object(Bucket=name, Key="iris/rows.csv", Body=csv(load_iris().data))
    s3.put_object(Bucket=name, Key="cancer/train/rows.csv", Body=csv(train))
    s3.put_object(Bucket=name, Key="cancer/test/rows.csv", Body=csv(np.column_stack([labels, test])))
    return name


def channel(name: str, uri: str, content_type: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "ContentType": content_type, "DataSource": {"S3DataSource": source}}


def job(name: str, data: str, algorithm: str, channels: list[dict[str, Any]], **hyperparameters: str) -> dict[str, Any]:
    return training_job(
        name,
        data,
        AlgorithmSpecification={"TrainingImage": f"{REGISTRY}/{algorithm}:1", "TrainingInputMode": "File"},
        HyperParameters=hyperparameters,
        InputDataConfig=channels,
    )


def completed(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    described = wait_for_job(sagemaker, request["TrainingJobName"])
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    return described


def deployed(server: Server, described: dict[str, Any]) -> str:
    """An endpoint of the job's image and artifact, named like the job."""
    sagemaker, name = server.client("sagemaker"), described["TrainingJobName"]
    container = {
        "Image": described["AlgorithmSpecification"]["TrainingImage"],
        "ModelDataUrl": described["ModelArtifacts"]["S3ModelArtifacts"],
    }
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = wait_for_endpoint(sagemaker, name)
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    return str(name)


def test_kmeans(server: Server, data: str) -> None:
    """Artifact, MetricDefinitions, FinalMetricDataList, CSV in and JSON and RecordIO out, 400 for a wrong row."""
    content_type = "text/csv;label_size=0"
    channels = [channel("train", f"s3://{data}/iris/", content_type), channel("test", f"s3://{data}/iris/", content_type)]
    described = completed(server, job("numpy-kmeans", data, "kmeans", channels, k="3", feature_dim="4", force_dense="True"))
    metrics = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
    assert metrics["test:msd"] <= 0.54
    assert metrics["train:progress"] == 100
    names = {item["Name"] for item in described["AlgorithmSpecification"]["MetricDefinitions"]}
    assert {"test:msd", "test:ssd", "train:throughput"} <= names
    body = server.client("s3").get_object(Bucket=data, Key="output/numpy-kmeans/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert {name.removeprefix("./") for name in tar.getnames()} - {"."} == {"model_algo-1"}
    assert any(line.startswith("#metrics {") for line in log_lines(server, "/aws/sagemaker/TrainingJobs", "numpy-kmeans/"))
    name, runtime = deployed(server, described), server.client("sagemaker-runtime")
    rows = csv(load_iris().data[:3])
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=rows)
    predictions = json.loads(answer["Body"].read())["predictions"]
    assert [set(item) for item in predictions] == [{"closest_cluster", "distance_to_cluster"}] * 3
    accept = "application/x-recordio-protobuf"
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Accept=accept, Body=rows)
    records = [record.label["closest_cluster"].values[0] for record in decode(answer["Body"].read())]
    assert records == [item["closest_cluster"] for item in predictions]
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=b"1,2,3")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 400  # type: ignore[typeddict-item]


def test_linear_learner(server: Server, data: str) -> None:
    """A tuning-like static hyperparameter aside, what the SDK's class sends; predictions as good as the test channel says."""
    channels = [channel(name, f"s3://{data}/cancer/{name}/", "text/csv") for name in ("train", "test")]
    given = {"predictor_type": "binary_classifier", "mini_batch_size": "32", "feature_dim": "30", "use_bias": "True"}
    described = completed(server, job("numpy-linear", data, "linear-learner", channels, **given))
    metrics = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
    assert metrics["test:roc_auc_score"] >= 0.98
    name, runtime = deployed(server, described), server.client("sagemaker-runtime")
    _, rows, labels = breast_cancer()
    instances = json.dumps({"instances": [{"features": row} for row in rows.tolist()]})
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=instances)
    predictions = json.loads(answer["Body"].read())["predictions"]
    assert roc_auc_score(labels, [item["score"] for item in predictions]) == pytest.approx(
        metrics["test:roc_auc_score"], abs=1e-4
    )
    accuracy = np.mean(np.array([item["predicted_label"] for item in predictions]) == labels)
    assert accuracy == pytest.approx(metrics["test:binary_classification_accuracy"])


def test_a_wrong_hyperparameter(server: Server, data: str) -> None:
    """AWS's wording, at the request or, as AWS's container does, in FailureReason; never a traceback."""
    sagemaker = server.client("sagemaker")
    channels = [channel("train", f"s3://{data}/iris/", "text/csv;label_size=0")]
    for name, given, message in (
        (
            "unknown",
            {"k": "3", "feature_dim": "4", "kk": "1"},
            "Additional hyperparameters are not allowed ('kk' was unexpected)",
        ),
        ("range", {"k": "0", "feature_dim": "4"}, "'0' is not valid under any of the given schemas"),
    ):
        sagemaker.create_training_job(**job(f"numpy-{name}", data, "kmeans", channels, **given))
        described = wait_for_job(sagemaker, f"numpy-{name}")
        assert described["TrainingJobStatus"] == "Failed"
        assert described["FailureReason"].startswith(f"ClientError: {message}")
        assert "Traceback" not in described["FailureReason"]
