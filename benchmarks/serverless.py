"""Serverless endpoints: from the first call, when nothing runs, to its answer. Built-in XGBoost, and a script in scikit-learn's image.

Each round waits until the endpoint has no process; the median of the rounds counts, because a single one may meet a commit of another process.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from support.jobs import archive, bucket, processes, wait_for_endpoint
from support.server import ROLE, SKLEARN, XGBOOST, Server, eventually, running_server

from benchmarks.figures import Figure, median
from sagewright.compute.records import alive

_ROUNDS = 7
_IDLE = 0.5
_SCRIPT = """
import numpy as np
from sklearn.linear_model import LinearRegression
def model_fn(folder): return LinearRegression().fit(np.eye(3), np.arange(3))
def input_fn(body, content_type): return np.fromstring(body if isinstance(body, str) else body.decode(), sep=",").reshape(1, -1)
def predict_fn(rows, model): return model.predict(rows)
def output_fn(answer, accept): return str(answer[0]), "text/plain"
"""


def figures() -> list[Figure]:
    with running_server(serverless_idle=_IDLE, prewarm="xgboost,sklearn") as server:
        held = bucket(server, "bench-serverless")
        built_in = _deploy(server, held, "built-in", XGBOOST, {"xgboost-model": _model()})
        script = _deploy(server, held, "script", SKLEARN, {"code/inference.py": _SCRIPT}, SAGEMAKER_PROGRAM="inference.py")
        return [
            _figure("first call to a sleeping endpoint, built-in XGBoost, median", _wakes(server, built_in), 0.1),
            _figure("the same, script mode with scikit-learn", _wakes(server, script), 1.5),
        ]


def _wakes(server: Server, name: str) -> list[float]:
    runtime, found = server.client("sagemaker-runtime"), []
    for _ in range(_ROUNDS):
        eventually(lambda: not any(map(alive, processes(server, f"{name}/*", "endpoint"))), 60)
        time.sleep(0.2)  # what follows the end of a container is not part of the next call
        began = time.perf_counter()
        runtime.invoke_endpoint(EndpointName=name, Body=b"1,2,3", ContentType="text/csv")
        found.append(time.perf_counter() - began)
    return found


def _figure(name: str, seconds: list[float], limit: float) -> Figure:
    found = median(seconds)
    return Figure(name, f"{found:.3f} s   (from {min(seconds):.3f} to {max(seconds):.3f})", f"<= {limit:g} s", found <= limit)


def _deploy(server: Server, held: str, name: str, image: str, files: dict[str, Any], **environment: str) -> str:
    sagemaker = server.client("sagemaker")
    server.client("s3").put_object(Bucket=held, Key=f"{name}.tar.gz", Body=archive(files))
    container = {"Image": image, "ModelDataUrl": f"s3://{held}/{name}.tar.gz", "Environment": environment}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    size = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": name, "ServerlessConfig": size}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = wait_for_endpoint(sagemaker, name)
    if found["EndpointStatus"] != "InService":
        raise RuntimeError(found.get("FailureReason"))
    return name


def _model() -> bytes:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(5_000, 3))
    booster = xgboost.train({"max_depth": 6}, xgboost.DMatrix(rows, rows.sum(axis=1)), 100)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.ubj")
        booster.save_model(file)
        return file.read_bytes()
