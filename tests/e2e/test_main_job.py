"""The main job through boto3 against a real server: S3, training, hosting, invocation, batch transform, clean-up."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import botocore.exceptions
import numpy as np
import pytest
from support.jobs import (
    archive,
    breast_cancer,
    bucket,
    csv,
    log_lines,
    script_job,
    training_job,
    wait,
    wait_for_endpoint,
    wait_for_job,
)
from support.server import ROLE, SKLEARN, XGBOOST, Server, eventually


@pytest.fixture(scope="session")  # once, whatever the order of the classes
def data(server: Server) -> str:
    """A bucket with the breast cancer data: train/, validation/ and batch/."""
    name = bucket(server, "main-job")
    train, test, _ = breast_cancer()
    s3 = server.client("s3")
    s3.put_object(Bucket=name, Key="train/train.csv", Body=csv(train[:340]))
    s3.put_object(Bucket=name, Key="validation/validation.csv", Body=csv(train[340:]))
    s3.put_object(Bucket=name, Key="batch/test.csv", Body=csv(test))
    return name


@pytest.fixture(scope="session")  # once, whatever the order of the classes
def trained(server: Server, data: str) -> dict[str, Any]:
    """A completed built-in XGBoost job with a validation channel."""
    sagemaker = server.client("sagemaker")
    request = training_job("main-xgboost", data)
    validation = json.loads(json.dumps(request["InputDataConfig"][0]).replace("train", "validation"))
    request["InputDataConfig"].append(validation)
    request["HyperParameters"]["eval_metric"] = "auc,logloss"
    request["Tags"] = [{"Key": "team", "Value": "ml"}]
    sagemaker.create_training_job(**request)
    return wait_for_job(sagemaker, "main-xgboost")


class TestBuiltInTraining:
    def test_completes_with_a_model_in_s3(self, server: Server, data: str, trained: dict[str, Any]) -> None:
        """G01, G05, H03: CreateTrainingJob → Completed, model.tar.gz holds xgboost-model."""
        assert trained["TrainingJobStatus"] == "Completed", trained.get("FailureReason")
        assert trained["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{data}/output/main-xgboost/output/model.tar.gz"
        body = server.client("s3").get_object(Bucket=data, Key="output/main-xgboost/output/model.tar.gz")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            assert tar.getnames() == ["xgboost-model"] or "xgboost-model" in {name.lstrip("./") for name in tar.getnames()}

    def test_walks_the_documented_secondary_statuses(self, trained: dict[str, Any]) -> None:
        """API DescribeTrainingJob: Starting, Downloading, Training, Uploading, Completed, each with start and end."""
        transitions = trained["SecondaryStatusTransitions"]
        assert [step["Status"] for step in transitions] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert all(step["StartTime"] <= step["EndTime"] for step in transitions)
        assert all(step["StatusMessage"] for step in transitions)

    def test_reports_metrics_and_times(self, server: Server, trained: dict[str, Any]) -> None:
        metrics = {metric["MetricName"]: metric["Value"] for metric in trained["FinalMetricDataList"]}
        assert metrics["validation:auc"] > 0.97
        assert trained["BillableTimeInSeconds"] >= 1
        assert trained["TrainingStartTime"] <= trained["TrainingEndTime"]
        end = trained["TrainingEndTime"].timestamp()
        statistics = server.client("cloudwatch").get_metric_statistics(
            Namespace="/aws/sagemaker/TrainingJobs",
            MetricName="validation:auc",
            Dimensions=[{"Name": "TrainingJobName", "Value": "main-xgboost"}],
            StartTime=end - 600,
            EndTime=end + 600,
            Period=60,
            Statistics=["Average"],
        )
        assert statistics["Datapoints"]

    def test_logs_are_complete_when_the_job_has_ended(self, server: Server, trained: dict[str, Any]) -> None:
        """clients.md: log events not stored when the status turns terminal are lost to the user."""
        lines = log_lines(server, "/aws/sagemaker/TrainingJobs", "main-xgboost/")
        assert sum("validation-auc:" in line for line in lines) == 20

    def test_keeps_its_tags(self, server: Server, trained: dict[str, Any]) -> None:
        tags = server.client("sagemaker").list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"]
        assert tags == [{"Key": "team", "Value": "ml"}]


@pytest.fixture(scope="session")  # once, whatever the order of the classes
def endpoint(server: Server, trained: dict[str, Any]) -> str:
    sagemaker = server.client("sagemaker")
    container = {"Image": XGBOOST, "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="main-model", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variants = [
        {
            "VariantName": name,
            "ModelName": "main-model",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": weight,
        }
        for name, weight in (("AllTraffic", 1.0), ("Second", 1.0))
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="main-config", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="main-endpoint", EndpointConfigName="main-config")
    described = wait_for_endpoint(sagemaker, "main-endpoint")
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return "main-endpoint"


class TestHosting:
    def test_answers_like_the_model(self, server: Server, endpoint: str) -> None:
        """K: InvokeEndpoint with CSV; both variants with weights get traffic."""
        _, test, labels = breast_cancer()
        runtime = server.client("sagemaker-runtime")
        answers = [
            runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=csv(row[None, :])) for row in test
        ]
        scores = np.array([float(answer["Body"].read()) for answer in answers])
        assert np.mean((scores > 0.5) == labels) > 0.92
        assert {answer["InvokedProductionVariant"] for answer in answers} == {"AllTraffic", "Second"}

    def test_sends_a_request_to_the_variant_that_is_named(self, server: Server, endpoint: str) -> None:
        runtime = server.client("sagemaker-runtime")
        row = csv(breast_cancer()[1][:1])
        answers = {
            runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=row, TargetVariant="Second")[
                "InvokedProductionVariant"
            ]
            for _ in range(5)
        }
        assert answers == {"Second"}

    def test_a_bad_payload_is_a_model_error_with_the_original_status(self, server: Server, endpoint: str) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            server.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, ContentType="image/png", Body=b"\x89PNG")
        response: Any = caught.value.response
        assert response["Error"]["Code"] == "ModelError"
        assert response["OriginalStatusCode"] == 415
        assert response["OriginalMessage"]

    def test_an_unknown_endpoint_is_a_validation_error(self, server: Server) -> None:
        with pytest.raises(botocore.exceptions.ClientError, match="Endpoint nowhere of account 123456789012 not found"):
            server.client("sagemaker-runtime").invoke_endpoint(EndpointName="nowhere", Body=b"1")

    def test_publishes_metrics_and_logs(self, server: Server, endpoint: str) -> None:
        cloudwatch = server.client("cloudwatch")
        runtime = server.client("sagemaker-runtime")
        runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType="text/csv", Body=csv(breast_cancer()[1][:1]), TargetVariant="Second"
        )

        def invocations() -> float:
            dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "Second"}]
            found = cloudwatch.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="Invocations",
                Dimensions=dimensions,
                StartTime="2020-01-01T00:00:00Z",
                EndTime="2099-01-01T00:00:00Z",
                Period=86400 * 365,
                Statistics=["Sum"],
            )["Datapoints"]
            return sum(point["Sum"] for point in found)

        eventually(lambda: invocations() >= 1)
        server.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")


class TestTransform:
    def test_writes_one_prediction_per_row(self, server: Server, data: str, trained: dict[str, Any]) -> None:
        """Batch transform of CSV over a prefix: .out objects, SplitType Line, AssembleWith Line."""
        sagemaker = server.client("sagemaker")
        container = {"Image": XGBOOST, "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
        sagemaker.create_model(ModelName="transform-model", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/batch/"}}
        sagemaker.create_transform_job(
            TransformJobName="main-transform",
            ModelName="transform-model",
            TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
            TransformOutput={"S3OutputPath": f"s3://{data}/predictions", "AssembleWith": "Line", "Accept": "text/csv"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
            DataProcessing={"JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        )
        ended = wait(
            lambda: sagemaker.describe_transform_job(TransformJobName="main-transform"),
            "TransformJobStatus",
            {"Completed", "Failed", "Stopped"},
            120,
        )
        assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
        body = server.client("s3").get_object(Bucket=data, Key="predictions/test.csv.out")["Body"].read().decode()
        rows = [line.split(",") for line in body.splitlines()]
        _, test, labels = breast_cancer()
        assert len(rows) == len(test)
        assert np.allclose([float(row[0]) for row in rows], test[:, 0], rtol=1e-5)
        assert np.mean((np.array([float(row[1]) for row in rows]) > 0.5) == labels) > 0.92


class TestScriptMode:
    def test_runs_a_user_script_and_serves_its_model(self, server: Server, data: str) -> None:
        """G03, G14, G16: sagemaker_program, SM_* environment, model_fn on an endpoint."""
        train = """
import argparse, json, os, joblib, sys
from sklearn.linear_model import LogisticRegression
parser = argparse.ArgumentParser()
parser.add_argument("--strength", type=float)
arguments = parser.parse_args()
assert os.environ["SM_HP_STRENGTH"] == "0.5" and json.loads(os.environ["SM_CHANNELS"]) == ["train"]
import numpy as np
rows = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"), delimiter=",")
model = LogisticRegression(C=arguments.strength, max_iter=5000).fit(rows[:, 1:], rows[:, 0])
print("train_accuracy=%f" % model.score(rows[:, 1:], rows[:, 0]))
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "note.txt"), "w") as file:
    file.write("kept")
"""
        serve = """
import joblib, os
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
        s3, sagemaker = server.client("s3"), server.client("sagemaker")
        code = archive({"train.py": train, "serve.py": serve})
        s3.put_object(Bucket=data, Key="main-script/sourcedir.tar.gz", Body=code)
        request = script_job("main-script", data, SKLEARN, {"strength": "0.5"})
        request["InputDataConfig"] = training_job("x", data)["InputDataConfig"]
        request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "accuracy", "Regex": "train_accuracy=([0-9.]+)"}]
        sagemaker.create_training_job(**request)
        job = wait_for_job(sagemaker, "main-script")
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert job["FinalMetricDataList"][0]["Value"] > 0.9
        s3.head_object(Bucket=data, Key="output/main-script/output/output.tar.gz")

        container = {
            "Image": SKLEARN,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
            "Environment": {
                "SAGEMAKER_PROGRAM": "serve.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{data}/main-script/sourcedir.tar.gz",
            },
        }
        sagemaker.create_model(ModelName="script-model", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "script-model",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        }
        sagemaker.create_endpoint_config(EndpointConfigName="script-config", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="script-endpoint", EndpointConfigName="script-config")
        described = wait_for_endpoint(sagemaker, "script-endpoint")
        assert described["EndpointStatus"] == "InService", described.get("FailureReason")
        _, test, labels = breast_cancer()
        answer = server.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="script-endpoint", ContentType="text/csv", Accept="application/json", Body=csv(test)
        )
        predicted = np.array(json.loads(answer["Body"].read()))
        assert np.mean(predicted == labels) > 0.9
        sagemaker.delete_endpoint(EndpointName="script-endpoint")
        eventually(lambda: "script-endpoint" not in {e["EndpointName"] for e in sagemaker.list_endpoints()["Endpoints"]})
