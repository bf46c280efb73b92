"""A multi-model endpoint with a thousand XGBoost models (30 features, 100 trees of depth 6), through the signed front.

Cold: the first call of each of 200 models, with the download from S3. Warm: one model beside the same model on an endpoint of its own.
Memory: that of the container when a thousand models have been asked for.
"""

from __future__ import annotations

import http.client
import statistics
from pathlib import Path
from time import perf_counter

import psutil
from support.jobs import archive, bucket, processes
from support.server import ROLE, XGBOOST, Server

from benchmarks import load
from benchmarks.endpoint import ask, bench, serve
from benchmarks.figures import Figure, median_no_worse

MODELS = 1000
COLD = 200
COLD_LIMIT = 0.060
"""Seconds; the target of the product."""
_ROUNDS = 5
_MEMORY = 0.8 * 8 * 1024
"""MiB of an ml.m5.large that models may fill."""


def figures() -> list[Figure]:
    """Makes the models, asks, measures."""
    with bench() as ours:
        server, row = ours.server, ours.line
        _deploy(server, ours.model)
        cold = [_ask(server, row, number) for number in range(COLD)]
        plain, many = ours.request(row), [_signed(server, row, 0)]
        for requests in (plain, many):
            ask(ours.url, requests, 8)
        pairs = [(ask(ours.url, many, 1).p50, ask(ours.url, plain, 1).p50) for _ in range(_ROUNDS)]
        before = _resident(server)
        for number in range(COLD, MODELS):
            _ask(server, row, number)
        used = _resident(server)
        p50 = statistics.median(cold)
        return [
            Figure("cold model, p50", f"{1000 * p50:.1f} ms", f"<= {1000 * COLD_LIMIT:.0f} ms", p50 <= COLD_LIMIT),
            Figure("cold model, p99", f"{1000 * sorted(cold)[int(0.99 * len(cold))]:.1f} ms"),
            median_no_worse("warm model, p50 at concurrency 1, against its own endpoint", pairs, 1.2, "ms"),
            Figure(f"memory of the container with {COLD} models", f"{before:.0f} MiB"),
            Figure(f"the same with {MODELS} models", f"{used:.0f} MiB", f"<= {_MEMORY:.0f} MiB", used <= _MEMORY),
        ]


def _deploy(server: Server, model: Path) -> None:
    name = bucket(server, "bench-models")
    packed = archive({"xgboost-model": model.read_bytes()})
    s3 = server.client("s3")
    for number in range(MODELS):
        s3.put_object(Bucket=name, Key=f"models/{number}.tar.gz", Body=packed)
    sagemaker = server.client("sagemaker")
    container = {"Image": XGBOOST, "Mode": "MultiModel", "ModelDataUrl": f"s3://{name}/models/"}
    sagemaker.create_model(ModelName="many", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    serve(server, "many", "many")


def _signed(server: Server, row: bytes, number: int) -> bytes:
    headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": f"{number}.tar.gz"}
    return load.signed(server.settings.url, "POST", "/endpoints/many/invocations", row, headers, server.keys())


def _ask(server: Server, row: bytes, number: int) -> float:
    """The seconds of one call, signed before the clock begins."""
    request = _signed(server, row, number)
    connection = http.client.HTTPConnection(server.settings.host, server.settings.port)
    connection.connect()
    assert connection.sock is not None
    began = perf_counter()
    connection.sock.sendall(request)
    answer = http.client.HTTPResponse(connection.sock, method="POST")
    answer.begin()
    answer.read()
    taken = perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"model {number}: {answer.status}")
    return taken


def _resident(server: Server) -> float:
    """MiB of the endpoint's processes."""
    ids = [record.pid for record in processes(server, "many/*", "endpoint")]
    return sum(psutil.Process(pid).memory_info().rss for pid in ids) / 1024**2
