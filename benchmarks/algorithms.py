"""Endpoints and batch transforms of built-in algorithms beside the bare library, and how soon a job's container speaks.

An endpoint's floor is FastAPI without a model plus the library's call on one row; a transform's is a loop in one process that
reads the CSV, predicts and writes. Signature and validation are ours on top.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from support.jobs import bucket, csv, log_lines, training_job, wait, wait_for_endpoint, wait_for_job
from support.server import ROLE, Server, running_server
from support.tables import cancer

from benchmarks import load
from benchmarks.figures import Figure, Floor, at_most, median, median_no_worse
from benchmarks.peers.process import peer

REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
_ROUNDS = 5
_BATCH_ROWS = 100_000
_FLOOR = ["uvicorn", "floor_app:app", "--port", "{port}", "--log-level", "error", "--no-access-log"]
_ROWS, _LABELS = cancer()


@dataclass(frozen=True)
class Contest:
    """``bare`` answers one row with the fitted library."""

    algorithm: str
    hyperparameters: dict[str, str]
    labelled: bool
    bare: Callable[[np.ndarray[Any, Any]], object]


def figures() -> list[Figure]:
    with running_server(hold_describe=0.0) as server, peer(_FLOOR) as floor:
        data = bucket(server, "bench-algorithms")
        found = []
        for contest in _contests():
            _train(server, data, contest)
            with _endpoint(server, contest.algorithm):
                found.append(_one_record(server, contest, floor))
        return [*found, _transform(server, data), *_first_lines(server, data)]


def _contests() -> Iterator[Contest]:
    kmeans = KMeans(10, n_init=1, random_state=0).fit(_ROWS)
    yield Contest("kmeans", {"k": "10", "feature_dim": "30"}, False, kmeans.transform)
    pca = PCA(5).fit(_ROWS)
    yield Contest("pca", {"num_components": "5", "feature_dim": "30", "mini_batch_size": "500"}, False, pca.transform)
    neighbours = KNeighborsClassifier(5, algorithm="brute").fit(_ROWS, _LABELS)
    knn = {"k": "5", "feature_dim": "30", "sample_size": "569", "predictor_type": "classifier"}
    yield Contest("knn", knn, True, neighbours.predict)
    linear = LogisticRegression().fit(_ROWS, _LABELS)
    given = {"predictor_type": "binary_classifier", "mini_batch_size": "100", "num_models": "4", "epochs": "3"}
    yield Contest("linear-learner", given, True, linear.predict_proba)


def _train(server: Server, data: str, contest: Contest) -> None:
    rows = np.column_stack([_LABELS, _ROWS]) if contest.labelled else _ROWS
    server.client("s3").put_object(Bucket=data, Key=f"{contest.algorithm}/rows.csv", Body=csv(rows))
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**_job(contest.algorithm, contest.algorithm, data, contest))
    if wait_for_job(sagemaker, contest.algorithm)["TrainingJobStatus"] != "Completed":
        raise RuntimeError(f"{contest.algorithm} could not be trained")


def _job(name: str, algorithm: str, data: str, contest: Contest) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/{algorithm}/", "S3DataDistributionType": "FullyReplicated"}
    content_type = f"text/csv;label_size={int(contest.labelled)}"
    return training_job(
        name,
        data,
        AlgorithmSpecification={"TrainingImage": f"{REGISTRY}/{algorithm}:1", "TrainingInputMode": "File"},
        HyperParameters=contest.hyperparameters,
        InputDataConfig=[{"ChannelName": "train", "ContentType": content_type, "DataSource": {"S3DataSource": source}}],
    )


@contextmanager
def _endpoint(server: Server, name: str) -> Iterator[None]:
    sagemaker = server.client("sagemaker")
    job = sagemaker.describe_training_job(TrainingJobName=name)
    container = {"Image": f"{REGISTRY}/{name}:1", "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    if wait_for_endpoint(sagemaker, name)["EndpointStatus"] != "InService":
        raise RuntimeError("the endpoint is not in service")
    yield
    sagemaker.delete_endpoint(EndpointName=name)


def _one_record(server: Server, contest: Contest, floor: str) -> Figure:
    row, path = csv(_ROWS[:1]), f"/endpoints/{contest.algorithm}/invocations"
    ours = [load.signed(server.settings.url, "POST", path, row, {"Content-Type": "text/csv"}, server.keys())]
    plain = [load.plain(floor, "/invocations", row, "text/csv")]
    load.run(server.settings.url, ours, 1, 1)
    rounds = []
    for _ in range(_ROUNDS):
        answered, http = load.run(server.settings.url, ours, 1, 1), load.run(floor, plain, 1, 1)
        if answered.errors or http.errors:
            raise RuntimeError(f"{contest.algorithm}: an answer was an error")
        rounds.append((answered.p50, http.p50 + _bare(contest) * 1000))
    return median_no_worse(f"{contest.algorithm}, one row: p50 against HTTP and scikit-learn", rounds, 1.5, "ms")


def _bare(contest: Contest) -> float:
    """Seconds that the library takes for one row."""
    found = []
    for _ in range(200):
        began = time.perf_counter()
        contest.bare(_ROWS[:1])
        found.append(time.perf_counter() - began)
    return median(found)


def _transform(server: Server, data: str) -> Figure:
    """Linear Learner over many rows; the job's own start counts."""
    rows = np.resize(_ROWS, (_BATCH_ROWS, _ROWS.shape[1]))
    body = csv(rows)
    server.client("s3").put_object(Bucket=data, Key="batch/rows.csv", Body=body)
    linear = LogisticRegression().fit(_ROWS, _LABELS)
    sagemaker = server.client("sagemaker")  # making one takes longer than half of a transform
    rounds = []
    for number in range(3):
        began = time.perf_counter()
        _transformed(sagemaker, data, f"batch-{number}")
        ours = time.perf_counter() - began
        began = time.perf_counter()
        _looped(linear, body)
        rounds.append((ours, time.perf_counter() - began))
    return median_no_worse(f"batch transform, Linear Learner, {_BATCH_ROWS} x 30, against a loop", rounds, 1.3, "s")


def _transformed(sagemaker: Any, data: str, name: str) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/batch/"}}
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName="linear-learner",
        BatchStrategy="MultiRecord",
        TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{data}/{name}", "AssembleWith": "Line", "Accept": "application/jsonlines"},
        TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    )
    ended = wait(
        lambda: sagemaker.describe_transform_job(TransformJobName=name), "TransformJobStatus", {"Completed", "Failed"}, 120
    )
    if ended["TransformJobStatus"] != "Completed":
        raise RuntimeError(ended["FailureReason"])


def _looped(linear: LogisticRegression, body: bytes) -> bytes:
    found = linear.predict_proba(pandas.read_csv(io.BytesIO(body), header=None).to_numpy())[:, 1]
    return "".join(
        json.dumps({"predicted_label": int(value > 0.5), "score": value}) + "\n" for value in found.tolist()
    ).encode()


def _first_lines(server: Server, data: str) -> Iterator[Figure]:
    """Until the first event of the log stream, as its timestamp says; the images' zygotes are warm."""
    floor = Floor("a millisecond", 0.001)
    contest = next(iter(_contests()))
    ntm = Contest("ntm", {"num_topics": "2", "feature_dim": "30", "epochs": "1", "mini_batch_size": "100"}, False, len)
    counts = np.random.default_rng(0).poisson(1.0, size=(500, 30)).astype(float)
    server.client("s3").put_object(Bucket=data, Key="ntm/rows.csv", Body=csv(counts))
    for name, chosen, most in (("NumPy", contest, 0.3), ("torch", ntm, 0.5)):
        delays = [_first_line(server, data, chosen, number) for number in range(_ROUNDS + 1)]
        yield at_most(f"{name} family: CreateTrainingJob to the first log line", median(delays[1:]), most, floor)


def _first_line(server: Server, data: str, contest: Contest, number: int) -> float:
    sagemaker, name = server.client("sagemaker"), f"first-{contest.algorithm}-{number}"
    began = time.time()
    sagemaker.create_training_job(**_job(name, contest.algorithm, data, contest))
    if wait_for_job(sagemaker, name)["TrainingJobStatus"] != "Completed":
        raise RuntimeError("\n".join(log_lines(server, "/aws/sagemaker/TrainingJobs", f"{name}/")))
    streams = server.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    return float(streams[0]["firstEventTimestamp"] / 1000 - began)
