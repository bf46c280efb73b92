"""The endpoint that several suites ask: built-in XGBoost, 30 features, 100 trees of depth 6."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server, running_server

from benchmarks import load

_SECONDS = 1


@dataclass(frozen=True)
class Bench:
    """A server with endpoint ``bench``, its model's file, a row and what the model says of it."""

    server: Server
    model: Path
    row: list[float]
    expected: float

    @property
    def url(self) -> str:
        return self.server.settings.url

    @property
    def line(self) -> bytes:
        """The row as CSV."""
        return ",".join(f"{value:.6f}" for value in self.row).encode() + b"\n"

    def request(self, body: bytes, endpoint: str = "bench", **headers: str) -> list[bytes]:
        """What wrk replays. Signed anew each time: a signature is good for five minutes."""
        path, given = f"/endpoints/{endpoint}/invocations", {"Content-Type": "text/csv", **headers}
        return [load.signed(self.url, "POST", path, body, given, self.server.keys())]


@contextmanager
def bench() -> Iterator[Bench]:
    """A server of its own, with the endpoint in service."""
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        model = Path(folder, "xgboost-model")
        row, expected = _train(model)
        name = bucket(server, "bench-inference")
        server.client("s3").put_object(Bucket=name, Key="model.tar.gz", Body=archive({"xgboost-model": model.read_bytes()}))
        container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{name}/model.tar.gz"}
        server.client("sagemaker").create_model(ModelName="bench", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        serve(server, "bench")
        yield Bench(server, model, row, expected)


def serve(server: Server, name: str, model: str = "bench", **config: Any) -> None:
    """An endpoint of this name with the model, in service; ``config`` is for its configuration."""
    sagemaker = server.client("sagemaker")
    variant = {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **config)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    ended = wait_for_endpoint(sagemaker, name)
    if ended["EndpointStatus"] != "InService":
        raise RuntimeError(f"endpoint {name} is not in service: {ended.get('FailureReason')}")


def ask(url: str, requests: list[bytes], connections: int) -> load.Result:
    """A second of requests; any answer but a success ends the benchmark."""
    result = load.run(url, requests, connections, _SECONDS)
    if result.errors:
        raise RuntimeError(f"{url}: {result.errors} errors")
    return result


def _train(file: Path) -> tuple[list[float], float]:
    """Writes the model; a row, in as many digits as it is asked with, and what the model says of it."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 30)).astype(np.float32)
    labels = (features[:, :5].sum(axis=1) + generator.normal(size=20_000) > 0).astype(int)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, xgboost.DMatrix(features, labels), 100)
    booster.save_model(file.with_suffix(".json"))
    file.with_suffix(".json").rename(file)
    row = [round(float(value), 6) for value in features[0]]
    return row, float(booster.inplace_predict(np.array([row], np.float32))[0])
