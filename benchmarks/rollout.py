"""Updates of an endpoint under load, of every kind: how many of at least 100 000 requests fail. None may.

wrk asks without a pause while one update follows another, each to the other of two models, with bakes of a second.
"""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server, running_server
from support.serving import variant, xgboost_model

from benchmarks import load
from benchmarks.figures import Figure

REQUESTS = 25_000
"""At least, of each kind of deployment."""
_SECONDS = 10
_CONNECTIONS = 8
_WAITS = {"WaitIntervalInSeconds": 1}


def figures() -> list[Figure]:
    with running_server() as server:
        sagemaker, requests = _deploy(server)
        return [_figure(kind, server, sagemaker, requests, config) for kind, config in _policies().items()]


def _policies() -> dict[str, dict[str, Any]]:
    half, whole = {"Type": "CAPACITY_PERCENT", "Value": 25}, {"TerminationWaitInSeconds": 1}
    kinds: dict[str, dict[str, Any]] = {
        "all at once": {"Type": "ALL_AT_ONCE"},
        "canary": {"Type": "CANARY", "CanarySize": half},
        "linear": {"Type": "LINEAR", "LinearStepSize": half},
    }
    found = {
        kind: {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {**routing, **_WAITS}, **whole}}
        for kind, routing in kinds.items()
    }
    return {**found, "rolling": {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, **_WAITS}}}


def _figure(kind: str, server: Server, sagemaker: Any, requests: list[bytes], config: dict[str, Any]) -> Figure:
    asked, failed, updates = 0.0, 0, 0
    slowest = 0.0
    with ThreadPoolExecutor(1) as pool:
        while asked < REQUESTS:
            running = pool.submit(load.run, server.settings.url, requests, _CONNECTIONS, _SECONDS)
            updates += _update_until_done(running, sagemaker, config)
            result = running.result()
            asked += result.rate * _SECONDS
            failed += result.errors
            slowest = max(slowest, result.p99)
    value = f"{failed} of {math.floor(asked):,} in {updates} updates   (p99 {slowest:.1f} ms)"
    return Figure(f"failed requests while fleets change, {kind}", value, "0", failed == 0)


def _update_until_done(running: Future[load.Result], sagemaker: Any, config: dict[str, Any]) -> int:
    """One update after the other while requests come, back and forth between the two models; returns how many."""
    count = 0
    while not running.done():
        now = sagemaker.describe_endpoint(EndpointName="rollout")["EndpointConfigName"]
        then = "rollout-2" if now == "rollout-1" else "rollout-1"
        sagemaker.update_endpoint(EndpointName="rollout", EndpointConfigName=then, DeploymentConfig=config)
        done = wait_for_endpoint(sagemaker, "rollout")
        if done["EndpointConfigName"] != then:
            raise RuntimeError(f"the update failed: {done.get('FailureReason')}")
        count += 1
    return count


def _deploy(server: Server) -> tuple[Any, list[bytes]]:
    store = bucket(server, "bench-rollout")
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    for number in (1, 2):
        name = f"rollout-{number}"
        s3.put_object(Bucket=store, Key=f"{name}.tar.gz", Body=archive({"xgboost-model": xgboost_model(float(number))}))
        container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/{name}.tar.gz"}
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(model=name, count=4)])
    sagemaker.create_endpoint(EndpointName="rollout", EndpointConfigName="rollout-1")
    if wait_for_endpoint(sagemaker, "rollout")["EndpointStatus"] != "InService":
        raise RuntimeError("the endpoint is not in service")
    path = "/endpoints/rollout/invocations"
    return sagemaker, [load.signed(server.settings.url, "POST", path, b"5,1", {"Content-Type": "text/csv"}, server.keys())]
