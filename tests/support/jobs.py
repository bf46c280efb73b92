"""Requests that several tests make: data in S3, a training job, an endpoint."""

from __future__ import annotations

import io
import tarfile
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from sagewright.compute import records
from support.server import ROLE, SKLEARN, XGBOOST


def csv(rows: NDArray[Any]) -> bytes:
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.8g")
    return text.getvalue().encode()


def breast_cancer() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Training rows with the label first, test rows without it, test labels."""
    features, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    features, labels = features[order], labels[order]
    return np.column_stack([labels, features])[:426], features[426:], labels[426:]


def bucket(server: Any, name: str) -> str:
    server.client("s3").create_bucket(Bucket=name)
    return name


def archive(files: dict[str, str | bytes]) -> bytes:
    """A tar.gz of the files, by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


def training_job(name: str, bucket: str, **changes: Any) -> dict[str, Any]:
    """A CreateTrainingJob request of the built-in XGBoost on s3://<bucket>/train/."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train/", "S3DataDistributionType": "FullyReplicated"}
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        "HyperParameters": {"objective": "binary:logistic", "num_round": "20"},
        "InputDataConfig": [{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        **changes,
    }


def instances(count: int) -> dict[str, Any]:
    """A ResourceConfig."""
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 5}


def processes(server: Any, job: str, kind: str = "training-job") -> list[records.Identity]:
    """What runs for a job: the shims, init and user's processes of its containers, the switch of its network."""
    found = []
    for folder in server.settings.jobs.glob(f"{kind}/*/*/{job}/*"):
        record = records.read(folder, records.STARTED) or {}
        found += [records.Identity(*record[who]) for who in ("shim", "init", "user") if record.get(who)]
    return found


def script_job(
    name: str, bucket: str, image: str, hyperparameters: dict[str, str] | None = None, **changes: Any
) -> dict[str, Any]:
    """The same in script mode, with the program the SDK v2 way: s3://<bucket>/<name>/sourcedir.tar.gz, train.py."""
    request = training_job(
        name,
        bucket,
        **{
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "HyperParameters": {
                "sagemaker_program": '"train.py"',
                "sagemaker_submit_directory": f'"s3://{bucket}/{name}/sourcedir.tar.gz"',
                **(hyperparameters or {}),
            },
            **changes,
        },
    )
    if "InputDataConfig" not in changes:
        del request["InputDataConfig"]  # the program brings what it needs
    return request


def wait_for_job(sagemaker: Any, name: str, seconds: float = 120.0) -> dict[str, Any]:
    """Polls until the training job has ended; returns its description."""
    return wait(
        lambda: sagemaker.describe_training_job(TrainingJobName=name),
        "TrainingJobStatus",
        {"Completed", "Failed", "Stopped"},
        seconds,
    )


def wait_for_endpoint(sagemaker: Any, name: str, seconds: float = 120.0) -> dict[str, Any]:
    return wait(lambda: sagemaker.describe_endpoint(EndpointName=name), "EndpointStatus", {"InService", "Failed"}, seconds)


def wait(describe: Any, member: str, wanted: set[str], seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = describe()
        if found[member] in wanted:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def log_lines(server: Any, group: str, prefix: str) -> list[str]:
    """Every line of a job's streams, as the SDKs read them."""
    logs = server.client("logs")
    lines: list[str] = []
    for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]:
        token: dict[str, str] = {}
        while True:
            page = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, **token)
            lines += [event["message"] for event in page["events"]]
            if not page["events"]:
                break
            token = {"nextToken": page["nextForwardToken"]}
    return lines


def processing_job(name: str, bucket: str, script: str, count: int = 1, **changes: Any) -> dict[str, Any]:
    """A CreateProcessingJob request that runs ``s3://<bucket>/<name>/code/x.py``; its output is s3://<bucket>/<name>/out."""
    code = {
        "S3Uri": f"s3://{bucket}/{name}/code/{script}",
        "LocalPath": "/opt/ml/processing/input/code",
        "S3DataType": "S3Prefix",
    }
    output = {"S3Uri": f"s3://{bucket}/{name}/out", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": SKLEARN,
            "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{script}"],
        },
        "ProcessingInputs": [{"InputName": "code", "S3Input": {**code, "S3InputMode": "File"}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.t3.medium", "InstanceCount": count, "VolumeSizeInGB": 1}},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        **changes,
    }


def wait_for_processing(sagemaker: Any, name: str, seconds: float = 120.0) -> dict[str, Any]:
    """Polls until the processing job has ended; returns its description."""
    return wait(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name),
        "ProcessingJobStatus",
        {"Completed", "Failed", "Stopped"},
        seconds,
    )
