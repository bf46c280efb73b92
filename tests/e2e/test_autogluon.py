"""AutoGluon in the environment of its own that its first job builds: JumpStart's models, and the image for one's own scripts (H20, G02).

Needs a network, or a cache of uv's that holds the pins (UV_CACHE_DIR).
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from support.jobs import archive, bucket, log_lines, script_job, training_job, wait, wait_for_endpoint
from support.numpy_jobs import csv
from support.server import ROLE, Server

pytestmark = pytest.mark.slow
REGISTRY = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
TRAINING, INFERENCE = f"{REGISTRY}/autogluon-training:1.1.1-cpu-py311", f"{REGISTRY}/autogluon-inference:1.1.1-cpu-py311"
JUMPSTART = "jumpstart-cache-prod-us-west-2"
CLASSIFICATION, REGRESSION = "autogluon-classification-ensemble", "autogluon-regression-ensemble"
PATIENCE = 900.0
CANCER = train_test_split(
    *load_breast_cancer(return_X_y=True), test_size=0.25, random_state=0, stratify=load_breast_cancer().target
)


@pytest.fixture(scope="module")
def data(server: Server) -> str:
    return bucket(server, "autogluon")


def trained(server: Server, data: str, model: str, files: dict[str, bytes], **hyperparameters: str) -> dict[str, Any]:
    """The description of a job that has ended."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    keys = [
        item["Key"] for item in s3.list_objects_v2(Bucket=JUMPSTART, Prefix="source-directory-tarballs/autogluon/")["Contents"]
    ]
    name = f"{model}-{len(sagemaker.list_training_jobs()['TrainingJobSummaries'])}"
    for path, content in files.items():
        s3.put_object(Bucket=data, Key=f"{name}/{path}", Body=content)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/{name}/"}
    script = next(key for key in keys if "/transfer_learning/" in key and model in key)
    given = {"sagemaker_program": "transfer_learning.py", "sagemaker_submit_directory": f"s3://{JUMPSTART}/{script}"}
    sagemaker.create_training_job(
        **training_job(
            name,
            data,
            AlgorithmSpecification={"TrainingImage": TRAINING, "TrainingInputMode": "File"},
            HyperParameters={**hyperparameters, **given},
            InputDataConfig=[{"ChannelName": "training", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}],
            StoppingCondition={"MaxRuntimeInSeconds": int(PATIENCE)},
            EnableNetworkIsolation=True,
        )
    )
    return ended(server, name)


def ended(server: Server, name: str) -> dict[str, Any]:
    sagemaker = server.client("sagemaker")
    states = {"Completed", "Failed", "Stopped"}
    return wait(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus", states, PATIENCE)


def deployed(server: Server, name: str, artifact: str, **environment: str) -> str:
    sagemaker = server.client("sagemaker")
    container = {"Image": INFERENCE, "ModelDataUrl": artifact, "Environment": environment}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = wait_for_endpoint(sagemaker, name, PATIENCE)
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    return name


def asked(server: Server, endpoint: str, body: bytes, accept: str = "application/json") -> dict[str, Any]:
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept=accept, Body=body)
    document: dict[str, Any] = json.loads(answer["Body"].read())
    return document


SERVE = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}


def test_breast_cancer(server: Server, data: str) -> None:
    """Pass mark: AUC of at least 0.975 with medium_quality."""
    rows, tests, labels, expected = CANCER
    described = trained(server, data, CLASSIFICATION, {"train/data.csv": csv(np.column_stack([labels, rows]))})
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
    packed = server.client("s3").get_object(Bucket=data, Key=artifact.removeprefix(f"s3://{data}/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"predictor.pkl", "learner.pkl", "metadata.json", "version.txt", "code/inference.py"} <= names
    endpoint = deployed(server, "cancer", artifact, **SERVE)
    verbose = asked(server, endpoint, csv(tests), "application/json;verbose")
    probabilities = np.array(verbose["probabilities"])
    auc = roc_auc_score(expected, probabilities[:, 1])
    took = (described["TrainingEndTime"] - described["TrainingStartTime"]).total_seconds()
    print(f"AUC {auc:.4f}; {took:.0f} s with the build of the environment")
    assert auc >= 0.975
    assert verbose["labels"] == [0, 1]
    assert verbose["predicted_label"] == probabilities.argmax(axis=1).tolist()
    assert asked(server, endpoint, csv(tests[:2])) == {"probabilities": verbose["probabilities"][:2]}
    for wrong in (b"", b"1,2,3", b"x" + csv(tests[:1])):
        with pytest.raises(ClientError) as refused:
            asked(server, endpoint, wrong)
        assert refused.value.response["OriginalStatusCode"] == 400
    server.client("sagemaker").delete_endpoint(EndpointName=endpoint)


def test_regression_with_categories_and_text(server: Server, data: str) -> None:
    """Diabetes with the sex as a category and a column of words, bagged in two folds: RMSE near the reference's 60.3."""
    features, labels = load_diabetes(return_X_y=True)
    words = np.where(features[:, 2] > 0, "above the mean", "below it")
    sexes = np.where(features[:, 1] > 0, "f", "m")
    order = np.random.default_rng(0).permutation(len(labels))

    def lines(which: Any, labelled: bool) -> bytes:
        rows = [[*([labels[row]] if labelled else []), *features[row], sexes[row], words[row]] for row in which]
        return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()

    files = {"train/data.csv": lines(order[:330], True), "categorical_index.json": b'{"cat_index_list": [11]}'}
    given = {"num_bag_folds": "2", "num_stack_levels": "1", "presets": "medium_quality", "verbosity": "1"}
    described = trained(server, data, REGRESSION, files, **given)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    endpoint = deployed(server, "diabetes", described["ModelArtifacts"]["S3ModelArtifacts"], **SERVE)
    found = np.array(asked(server, endpoint, lines(order[330:], False))["prediction"])
    error = np.sqrt(np.mean((found - labels[order[330:]]) ** 2))
    print(f"RMSE {error:.1f}")
    assert error < 66
    server.client("sagemaker").delete_endpoint(EndpointName=endpoint)


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"num_bag_folds": "1"}, "'1' is not one of"),
        ({"num_stack_levels": "1"}, "num_stack_levels needs bagging"),
        ({"eval_metric": "beauty"}, "AutoGluon: "),
    ],
)
def test_what_is_refused(server: Server, data: str, hyperparameters: dict[str, str], words: str) -> None:
    rows = b"".join(b"%d,%d,%d\n" % (number % 2, number, number % 7) for number in range(60))
    described = trained(server, data, CLASSIFICATION, {"data.csv": rows}, **hyperparameters)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: ")
    assert words in described["FailureReason"]
    assert "Traceback" not in described["FailureReason"]


def test_a_script_of_ones_own(server: Server, data: str) -> None:
    """The image with a script of the user's, in training and behind an endpoint: AutoGluon and its pandas are there."""
    train = """
import os
import pandas as pd
from autogluon.tabular import TabularPredictor
rows = pd.DataFrame({"x": range(80), "y": [number % 2 for number in range(80)], "z": [number >= 40 for number in range(80)]})
TabularPredictor(label="z", path=os.environ["SM_MODEL_DIR"]).fit(rows, hyperparameters={"GBM": {}}, num_cpus=1)
print("pandas", pd.__version__)
"""
    serve = """
from autogluon.tabular import TabularPredictor
def model_fn(model_dir): return TabularPredictor.load(model_dir)
def transform_fn(model, data, content_type, accept):
    import io, pandas as pd
    return str(model.predict(pd.read_csv(io.StringIO(data), names=["x", "y"])).tolist()), accept
"""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.put_object(Bucket=data, Key="script/sourcedir.tar.gz", Body=archive({"train.py": train}))
    s3.put_object(Bucket=data, Key="serve/sourcedir.tar.gz", Body=archive({"inference.py": serve}))
    sagemaker.create_training_job(**script_job("script", data, TRAINING))
    described = ended(server, "script")
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert any(line.startswith("pandas 2.") for line in log_lines(server, "/aws/sagemaker/TrainingJobs", "script/"))
    given = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{data}/serve/sourcedir.tar.gz"}
    endpoint = deployed(server, "script", described["ModelArtifacts"]["S3ModelArtifacts"], **given)
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept="text/plain", Body=b"2,0\n77,1\n")
    assert answer["Body"].read() == b"[False, True]"
    sagemaker.delete_endpoint(EndpointName=endpoint)
