"""Compilation jobs by boto3 against a real server: compiled, served by the image that Describe names, stopped, refused (L01, L02)."""

from __future__ import annotations

import io
from typing import Any

import botocore.exceptions
import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from support.jobs import archive, bucket, log_lines, wait, wait_for_endpoint
from support.server import ROLE, Server

ROWS = np.random.default_rng(0).normal(size=(100, 5)).astype(np.float32)
STATES = {"COMPLETED", "FAILED", "STOPPED"}


def request(name: str, store: str, **changes: Any) -> dict[str, Any]:
    return {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": f"s3://{store}/model.tar.gz", "Framework": "SKLEARN", "DataInputConfig": '{"input": [1, 5]}'},
        "OutputConfig": {"S3OutputLocation": f"s3://{store}/out/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        **changes,
    }


def test_a_forest_is_compiled_and_served(server: Server) -> None:
    sagemaker, s3, store = server.client("sagemaker"), server.client("s3"), bucket(server, "compilation")
    forest = RandomForestRegressor(30, random_state=0).fit(ROWS, ROWS.sum(1))
    content = io.BytesIO()
    joblib.dump(forest, content)
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=archive({"model.joblib": content.getvalue()}))
    sagemaker.create_compilation_job(**request("forest", store))
    job = wait(lambda: sagemaker.describe_compilation_job(CompilationJobName="forest"), "CompilationJobStatus", STATES, 120)
    assert job["CompilationJobStatus"] == "COMPLETED", job
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://{store}/out/model-ml_c5.tar.gz"}
    assert job["CompilationStartTime"] <= job["CompilationEndTime"]
    assert any("compiled a model of SKLEARN" in line for line in log_lines(server, "/aws/sagemaker/CompilationJobs", "forest/"))
    container = {"Image": job["InferenceImage"], "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="forest", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "forest", "InitialInstanceCount": 1, "InstanceType": "ml.c5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="forest", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="forest", EndpointConfigName="forest")
    assert wait_for_endpoint(sagemaker, "forest")["EndpointStatus"] == "InService"
    text = "\n".join(",".join(map(str, row)) for row in ROWS[:9])
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="forest", ContentType="text/csv", Accept="text/csv", Body=text
    )
    assert np.allclose(np.loadtxt(io.StringIO(answer["Body"].read().decode())), forest.predict(ROWS[:9]), atol=1e-4)
    summary = sagemaker.list_compilation_jobs(NameContains="forest")["CompilationJobSummaries"][0]
    assert summary["CompilationTargetDevice"] == "ml_c5"
    sagemaker.delete_compilation_job(CompilationJobName="forest")
    wait(lambda: {"gone": not sagemaker.list_compilation_jobs()["CompilationJobSummaries"]}, "gone", {True}, 30)


def test_failures_and_stops(server: Server) -> None:
    sagemaker, s3, store = server.client("sagemaker"), server.client("s3"), bucket(server, "compilation-failures")
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=b"no archive")
    sagemaker.create_compilation_job(**request("broken", store))
    job = wait(lambda: sagemaker.describe_compilation_job(CompilationJobName="broken"), "CompilationJobStatus", STATES, 60)
    assert job["CompilationJobStatus"] == "FAILED"
    assert job["FailureReason"].startswith("ClientError: InputConfiguration: ")
    with pytest.raises(botocore.exceptions.ClientError, match="in status FAILED"):
        sagemaker.stop_compilation_job(CompilationJobName="broken")
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=archive({"model.joblib": b"x"}))
    sagemaker.create_compilation_job(**request("stopped", store))
    sagemaker.stop_compilation_job(CompilationJobName="stopped")
    job = wait(lambda: sagemaker.describe_compilation_job(CompilationJobName="stopped"), "CompilationJobStatus", STATES, 60)
    assert job["CompilationJobStatus"] == "STOPPED"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"InputConfig": {"S3Uri": "s3://b/m.tar.gz", "Framework": "MXNET"}}, "MXNET"),
        ({"InputConfig": {"S3Uri": "s3://b/m.tar.gz", "Framework": "PYTORCH"}}, "DataInputConfig is required"),
        ({"InputConfig": {"S3Uri": "s3://b/m.tar.gz", "Framework": "SKLEARN", "DataInputConfig": "[1"}}, "must be JSON"),
        ({"InputConfig": {"S3Uri": "s3://b/m", "Framework": "SKLEARN"}}, "archive in S3"),
        ({"OutputConfig": {"S3OutputLocation": "s3://b/out"}}, "Exactly one of TargetDevice and TargetPlatform"),
        ({"OutputConfig": {"S3OutputLocation": "s3://b/out", "TargetDevice": "ml_inf1"}}, "Neuron"),
    ],
)
def test_what_create_refuses(server: Server, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
        server.client("sagemaker").create_compilation_job(**request("refused", "bucket", **changes))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
