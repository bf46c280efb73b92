"""The main job with boto3 and nothing else: upload, train the built-in XGBoost, deploy, ask, transform a file, clean up.

Start a server and point boto3 at it; the same script runs against AWS with a role and a bucket of yours:

    sagewright up --detach
    sagewright run -- python examples/boto3_main_job.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import boto3

ROLE = os.environ.get("ROLE_ARN", "arn:aws:iam::123456789012:role/SageMakerRole")
BUCKET = os.environ.get("BUCKET", "example-main-job")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
NAME = f"example-{int(time.time())}"
INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1}

s3, sagemaker, runtime = (boto3.client(service) for service in ("s3", "sagemaker", "sagemaker-runtime"))


def rows(start: int, stop: int) -> list[tuple[int, float, float]]:
    """Label first: whether a point lies inside a circle."""
    points = [((17 * n % 101) / 50 - 1, (31 * n % 97) / 48 - 1) for n in range(start, stop)]
    return [(int(x * x + y * y < 0.6), x, y) for x, y in points]


def csv(table: list[tuple[Any, ...]]) -> str:
    """Without a header, as the built-in algorithm wants it."""
    return "\n".join(",".join(str(value) for value in row) for row in table) + "\n"


def source(prefix: str) -> dict[str, Any]:
    """Everything below a prefix."""
    return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}/"}}


def until(status: str, describe: Callable[[], dict[str, Any]], wanted: str) -> dict[str, Any]:
    """Looks again until the status is what was wanted; ends the program when it becomes something else for good."""
    while (found := describe())[status] != wanted:
        if found[status] in ("Failed", "Stopped"):
            raise SystemExit(f"{found[status]}: {found.get('FailureReason')}")
        time.sleep(0.2)
    return found


def train() -> str:
    """Where the model lies in S3."""
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="train/rows.csv", Body=csv(rows(0, 400)))
    sagemaker.create_training_job(
        TrainingJobName=NAME,
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters={"objective": "binary:logistic", "num_round": "30", "eval_metric": "auc"},
        InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": source("train")}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models"},
        ResourceConfig={**INSTANCE, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    job = until("TrainingJobStatus", lambda: sagemaker.describe_training_job(TrainingJobName=NAME), "Completed")
    print({metric["MetricName"]: round(metric["Value"], 3) for metric in job["FinalMetricDataList"]})
    return str(job["ModelArtifacts"]["S3ModelArtifacts"])


def deploy(model: str) -> None:
    """Model, configuration, endpoint."""
    container = {"Image": IMAGE, "ModelDataUrl": model}
    sagemaker.create_model(ModelName=NAME, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": NAME,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    until("EndpointStatus", lambda: sagemaker.describe_endpoint(EndpointName=NAME), "InService")


def ask(x: float, y: float) -> float:
    """The probability that a point lies inside."""
    answer = runtime.invoke_endpoint(EndpointName=NAME, ContentType="text/csv", Body=f"{x},{y}")
    return float(answer["Body"].read())


def transform() -> list[float]:
    """The same for a file of points."""
    s3.put_object(Bucket=BUCKET, Key="batch/points.csv", Body=csv([(x, y) for _, x, y in rows(400, 500)]))
    sagemaker.create_transform_job(
        TransformJobName=NAME,
        ModelName=NAME,
        TransformInput={"DataSource": source("batch"), "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/scored", "AssembleWith": "Line"},
        TransformResources=INSTANCE,
    )
    until("TransformJobStatus", lambda: sagemaker.describe_transform_job(TransformJobName=NAME), "Completed")
    body = s3.get_object(Bucket=BUCKET, Key="scored/points.csv.out")["Body"].read().decode()
    return [float(line) for line in body.replace(",", "\n").split()]


def main() -> None:
    """All of it."""
    deploy(train())
    print(f"in the middle: {ask(0, 0):.2f}, in the corner: {ask(0.9, 0.9):.2f}")
    scores = transform()
    correct = sum((score > 0.5) == bool(label) for score, (label, _, _) in zip(scores, rows(400, 500), strict=True))
    print(f"accuracy of {len(scores)} transformed rows: {correct / len(scores):.2f}")
    sagemaker.delete_endpoint(EndpointName=NAME)
    sagemaker.delete_endpoint_config(EndpointConfigName=NAME)
    sagemaker.delete_model(ModelName=NAME)


if __name__ == "__main__":
    main()
