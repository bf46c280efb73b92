"""InvokeEndpoint, one CSV row × 30 features, 100 trees of depth 6, signed, through the front, beside FastAPI and granian holding the model.

The peers answer unsigned: the signature is our handicap. Rounds with the contestants in turn; the median of the rounds' ratios.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xgboost
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server, running_server

from benchmarks import load
from benchmarks.figures import Figure, median_no_worse, median_ratio
from benchmarks.peers.process import peer

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
            return _measure(contestants)


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
    variant = {"VariantName": "AllTraffic", "ModelName": "bench", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="bench", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    if wait_for_endpoint(sagemaker, "bench")["EndpointStatus"] != "InService":
        raise RuntimeError("the endpoint is not in service")
    path = "/endpoints/bench/invocations"
    keys = server.keys()
    return [load.signed(server.settings.url, "POST", path, row, {"Content-Type": "text/csv"}, keys)]
