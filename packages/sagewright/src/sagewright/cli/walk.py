"""The demo: the main job end to end on a real data set, through the public API, with the time of each phase.

It runs on a server of its own in a temporary folder, so that it neither needs nor disturbs one that is up.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from sagewright.cli.client import client
from sagewright.cli.options import console, fail
from sagewright.cli.server import running_settings, stop, wait_until_ready
from sagewright.settings import Settings, free_port
from sagewright.supervisor import describe_running

T = TypeVar("T")

_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
_ROUNDS = "50"
_POLL = 0.02
_PATIENCE = 120.0


def walk(keep: bool) -> None:
    """Runs the demo; with ``keep`` the server and the resources stay."""
    folder = Path(tempfile.mkdtemp(prefix="sagewright-demo-"))
    try:
        with _server(folder, keep) as settings:
            _Run(settings).all(keep)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _server(folder: Path, keep: bool) -> Iterator[Settings]:
    settings = Settings.from_env({}, data=folder, port=free_port("127.0.0.1"))
    settings.make_folders()
    began = time.monotonic()
    with (settings.run / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sagewright.supervisor"],
            env={**_quiet_environment(), **settings.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        wait_until_ready(settings, process)
        console.print(f"Sagewright is up at [bold]{settings.url}[/] after {time.monotonic() - began:.2f} s", highlight=False)
        yield running_settings(settings) or settings
    finally:
        record = describe_running(settings)
        if record is not None and not keep:
            stop(settings, record)


def _quiet_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_"))}


@dataclass
class _Run:
    """One walk through the main job; ``phases`` collects how long each took."""

    settings: Settings
    phases: list[tuple[str, float]] = field(default_factory=list)

    def all(self, keep: bool) -> None:
        self.sagemaker, self.runtime, self.s3 = (
            client(self.settings, name) for name in ("sagemaker", "sagemaker-runtime", "s3")
        )
        self.bucket = f"sagemaker-{self.settings.region}-{self.settings.account}"
        self.role = f"arn:aws:iam::{self.settings.account}:role/SagewrightExecutionRole"
        train, self.test_rows, self.test_labels = _data()
        self._phase("upload the data to S3", lambda: self._upload(train))
        job = self._phase(f"train XGBoost, {_ROUNDS} rounds", self._train)
        self._phase("deploy to an endpoint", lambda: self._deploy(job))
        online = self._phase(f"invoke it, {len(self.test_rows)} rows", self._invoke)
        batch = self._phase("batch transform of the same rows", self._transform)
        self._report(online, batch)
        if not keep:
            self._phase("clean up", self._clean)
        self._print_phases()
        console.print(f"Server: [bold]{self.settings.url}[/]", highlight=False)

    def _phase(self, name: str, work: Callable[[], T]) -> T:
        began = time.monotonic()
        result = work()
        self.phases.append((name, time.monotonic() - began))
        console.print(f"  {name}: {self.phases[-1][1]:.2f} s", highlight=False)
        return result

    def _upload(self, train: NDArray[np.float64]) -> None:
        self.s3.create_bucket(Bucket=self.bucket)
        half = len(train) * 4 // 5
        for key, rows in (("demo/train/train.csv", train[:half]), ("demo/validation/validation.csv", train[half:])):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=_csv(rows))
        self.s3.put_object(Bucket=self.bucket, Key="demo/batch/test.csv", Body=_csv(self.test_rows))

    def _train(self) -> dict[str, Any]:
        self.sagemaker.create_training_job(
            TrainingJobName="demo-xgboost",
            RoleArn=self.role,
            AlgorithmSpecification={"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
            HyperParameters={"objective": "binary:logistic", "num_round": _ROUNDS, "eval_metric": "auc"},
            InputDataConfig=[self._channel("train"), self._channel("validation")],
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/demo/output"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        job = _until(
            lambda: self.sagemaker.describe_training_job(TrainingJobName="demo-xgboost"), "TrainingJobStatus", "Completed"
        )
        for metric in job.get("FinalMetricDataList", []):
            console.print(f"    {metric['MetricName']} = {metric['Value']:.4f}", highlight=False)
        return job

    def _channel(self, name: str) -> dict[str, Any]:
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{self.bucket}/demo/{name}/",
            "S3DataDistributionType": "FullyReplicated",
        }
        return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}

    def _deploy(self, job: dict[str, Any]) -> None:
        container = {"Image": _IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
        self.sagemaker.create_model(ModelName="demo-model", ExecutionRoleArn=self.role, PrimaryContainer=container)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "demo-model",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName="demo-config", ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName="demo-endpoint", EndpointConfigName="demo-config")
        _until(lambda: self.sagemaker.describe_endpoint(EndpointName="demo-endpoint"), "EndpointStatus", "InService")

    def _invoke(self) -> NDArray[np.float64]:
        answers = [
            self.runtime.invoke_endpoint(EndpointName="demo-endpoint", ContentType="text/csv", Body=_csv(row[None, :]))[
                "Body"
            ].read()
            for row in self.test_rows
        ]
        return np.array([float(answer) for answer in answers])

    def _transform(self) -> NDArray[np.float64]:
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/demo/batch/"}}
        self.sagemaker.create_transform_job(
            TransformJobName="demo-transform",
            ModelName="demo-model",
            TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
            TransformOutput={
                "S3OutputPath": f"s3://{self.bucket}/demo/predictions",
                "AssembleWith": "Line",
                "Accept": "text/csv",
            },
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
        _until(
            lambda: self.sagemaker.describe_transform_job(TransformJobName="demo-transform"), "TransformJobStatus", "Completed"
        )
        body = self.s3.get_object(Bucket=self.bucket, Key="demo/predictions/test.csv.out")["Body"].read()
        return np.array([float(line) for line in body.split()])

    def _report(self, online: NDArray[np.float64], batch: NDArray[np.float64]) -> None:
        if not np.allclose(online, batch, atol=1e-5):
            fail("the endpoint and the batch transform disagree")
        accuracy = float(np.mean((online > 0.5) == self.test_labels))
        console.print(
            f"Accuracy on {len(online)} held-out rows: [bold]{accuracy:.3f}[/]   (endpoint and batch transform agree)"
        )
        shown = ", ".join(f"{value:.3f}" for value in online[:8])
        console.print(
            f"Predictions: {shown}, …   labels: {', '.join(str(int(label)) for label in self.test_labels[:8])}, …",
            highlight=False,
        )
        if accuracy < 0.9:
            fail(f"an accuracy of {accuracy:.3f} is too low for this data set: something is wrong")

    def _clean(self) -> None:
        self.sagemaker.delete_endpoint(EndpointName="demo-endpoint")
        self.sagemaker.delete_endpoint_config(EndpointConfigName="demo-config")
        self.sagemaker.delete_model(ModelName="demo-model")
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.bucket, Prefix="demo/").get("Contents", [])]
        self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in keys]})

    def _print_phases(self) -> None:
        table = Table("phase", "seconds")
        for name, seconds in self.phases:
            table.add_row(name, f"{seconds:.2f}")
        console.print(table)


def _data() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Training rows with the label first; test rows without it; test labels. 569 × 30, scikit-learn's breast cancer."""
    features, labels = load_breast_cancer(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(features, labels, test_size=0.25, random_state=0, stratify=labels)
    return np.column_stack([train_y, train_x]), test_x, test_y


def _csv(rows: NDArray[np.float64]) -> bytes:
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.8g")
    return text.getvalue().encode()


def _until(describe: Callable[[], dict[str, Any]], member: str, wanted: str) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = describe()
        if found[member] == wanted:
            return found
        if found[member] in ("Failed", "Stopped") or time.monotonic() > deadline:
            fail(f"{member} is {found[member]}: {found.get('FailureReason', 'no reason given')}")
        time.sleep(_POLL)


if __name__ == "__main__":
    walk("--keep" in sys.argv[1:])
