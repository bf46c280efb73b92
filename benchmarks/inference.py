"""InvokeEndpoint, one CSV row × 30 features, 100 trees of depth 6, signed, through the front, beside FastAPI and granian holding the model.

The peers answer unsigned: the signature is our handicap. Rounds with the contestants in turn; the median of the rounds' ratios.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server, running_server

from benchmarks import load
from benchmarks.figures import Figure, at_least, median, median_no_worse, median_ratio
from benchmarks.peers.process import peer

_MANY_ROWS = 100
_LARGE = 6_000_000
_ROUNDS = 5
_SECONDS = 1


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "xgboost-model")
        row = _train(model)
        environment = {"MODEL": str(model)}
        fastapi = ["uvicorn", "fastapi_app:app", "--port", "{port}", "--log-level", "error", "--no-access-log"]
        granian = [
            "granian",
            "--interface",
            "rsgi",
            "--port",
            "{port}",
            "--workers",
            "1",
            "--log-level",
            "error",
            "granian_app:app",
        ]
        with running_server() as server, peer(fastapi, environment) as fastapi_url, peer(granian, environment) as granian_url:
            ours = _deploy(server, model, row)
            contestants = {
                "ours": (server.settings.url, ours),
                "fastapi": (fastapi_url, [load.plain(fastapi_url, "/invocations", row, "text/csv")]),
                "granian": (granian_url, [load.plain(granian_url, "/invocations", row, "text/csv")]),
            }
            return [*_measure(contestants), *_payloads(server, row, granian_url), *_captured(server, row)]


def _payloads(server: Server, row: bytes, granian: str) -> list[Figure]:
    """Requests of many rows: a hundred of them, and as many as make six megabytes."""
    body = row * _MANY_ROWS
    many, theirs = [_request(server, "bench", body)], [load.plain(granian, "/invocations", body, "text/csv")]
    rounds = [(_run(server.settings.url, many, 8).rate, _run(granian, theirs, 8).rate) for _ in range(_ROUNDS)]
    large = [_request(server, "bench", row * (_LARGE // len(row)))]
    moved = [_run(server.settings.url, large, 4).rate * _LARGE / 1e6 for _ in range(3)]
    return [
        at_least(f"requests/s of {_MANY_ROWS} rows at concurrency 8", median(ours for ours, _ in rounds), 1800, "req/s"),
        median_ratio(f"requests/s of {_MANY_ROWS} rows at concurrency 8, against granian", rounds, 1.96, "req/s"),
        Figure(f"answered payloads of {_LARGE / 1e6:.0f} MB (21 000 rows, read and predicted)", f"{median(moved):,.0f} MB/s"),
    ]


def _captured(server: Server, row: bytes) -> list[Figure]:
    """The same endpoint with all of its calls captured, in turn with one that captures none."""
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bench-inference/captured",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    _serve(server, "captured", DataCaptureConfig=capture)
    plain, captured = [_request(server, "bench", row)], [_request(server, "captured", row)]
    url = server.settings.url
    rates = [(_run(url, captured, 32).rate, _run(url, plain, 32).rate) for _ in range(_ROUNDS)]
    latency = [(_run(url, captured, 1).p50, _run(url, plain, 1).p50) for _ in range(_ROUNDS)]
    return [
        median_ratio("requests/s at concurrency 32 with every call captured, against none", rates, 0.7, "req/s"),
        median_no_worse("p50 at concurrency 1 with every call captured, against none", latency, 1.1, "ms"),
    ]


def _measure(contestants: dict[str, tuple[str, list[bytes]]]) -> list[Figure]:
    for url, requests in contestants.values():
        load.run(url, requests, 8, 1)
    latency = [{name: _run(*contestant, 1).p50 for name, contestant in contestants.items()} for _ in range(_ROUNDS)]
    rate = [{name: _run(*contestant, 32).rate for name, contestant in contestants.items()} for _ in range(_ROUNDS)]
    one = [(found["ours"], found["fastapi"]) for found in latency]
    many = {peer: [(found["ours"], found[peer]) for found in rate] for peer in ("granian", "fastapi")}
    return [
        median_no_worse("p50 at concurrency 1, against FastAPI", one, 1.0, "ms"),
        median_ratio("requests/s at concurrency 32, against granian", many["granian"], 3.0, "req/s"),
        median_ratio("requests/s at concurrency 32, against FastAPI", many["fastapi"], 3.0, "req/s"),
    ]


def _run(url: str, requests: list[bytes], connections: int) -> load.Result:
    result = load.run(url, requests, connections, _SECONDS)
    if result.errors:
        raise RuntimeError(f"{url}: {result.errors} errors")
    return result


def _train(file: Path) -> bytes:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 30)).astype(np.float32)
    labels = (features[:, :5].sum(axis=1) + generator.normal(size=20_000) > 0).astype(int)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, xgboost.DMatrix(features, labels), 100)
    booster.save_model(file.with_suffix(".json"))
    file.with_suffix(".json").rename(file)
    return ",".join(f"{value:.6f}" for value in features[0]).encode() + b"\n"


def _deploy(server: Server, model: Path, row: bytes) -> list[bytes]:
    name = bucket(server, "bench-inference")
    server.client("s3").put_object(Bucket=name, Key="model.tar.gz", Body=archive({"xgboost-model": model.read_bytes()}))
    sagemaker = server.client("sagemaker")
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    sagemaker.create_model(ModelName="bench", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    _serve(server, "bench")
    return [_request(server, "bench", row)]


def _serve(server: Server, name: str, **config: Any) -> None:
    """An endpoint of this name with the model; ``config`` is for its configuration."""
    sagemaker = server.client("sagemaker")
    variant = {"VariantName": "AllTraffic", "ModelName": "bench", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **config)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    if wait_for_endpoint(sagemaker, name)["EndpointStatus"] != "InService":
        raise RuntimeError(f"endpoint {name} is not in service")


def _request(server: Server, endpoint: str, body: bytes) -> bytes:
    path = f"/endpoints/{endpoint}/invocations"
    return load.signed(server.settings.url, "POST", path, body, {"Content-Type": "text/csv"}, server.keys())
