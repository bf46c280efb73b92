"""InvokeEndpointWithResponseStream: from the moment at which a container hands a chunk over to the moment at which boto3 has it.

The container is a user's script that stamps each chunk when it yields it; the clock is the machine's. Its own HTTP server is part of
what is measured, and so is boto3's parsing.
"""

from __future__ import annotations

import time
from statistics import quantiles
from typing import Any

from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, SKLEARN, Server, running_server

from benchmarks.figures import Figure, median

_CALLS = 200
_CHUNKS = 5
_LIMIT = 2.0
_SCRIPT = """
import time

def model_fn(model_dir):
    return None

def transform_fn(model, data, content_type, accept):
    def chunks():
        for _ in range(int(data)):
            yield f"{time.time_ns()};"
            time.sleep(0.004)
    return chunks(), "text/plain"
"""


def figures() -> list[Figure]:
    with running_server() as server:
        _deploy(server)
        client = server.client("sagemaker-runtime")
        found = [_call(client) for _ in range(_CALLS + 20)][20:]
    firsts, later = [delays[0] for delays in found], [delay for delays in found for delay in delays[1:]]
    return [_figure("first chunk of a stream", firsts), _figure("later chunks", later)]


def _figure(name: str, delays: list[float]) -> Figure:
    """Milliseconds; the median must be within the limit."""
    middle, high = median(delays), quantiles(delays, n=100)[98]
    value = f"{middle:.2f} ms p50, {high:.2f} ms p99"
    return Figure(f"{name}: from the container to the client", value, f"<= {_LIMIT:g} ms", middle <= _LIMIT)


def _call(client: Any) -> list[float]:
    """The delay of each chunk, in milliseconds."""
    answer = client.invoke_endpoint_with_response_stream(EndpointName="stream", ContentType="text/csv", Body=str(_CHUNKS))
    delays: list[float] = []
    for event in answer["Body"]:
        stamps = event["PayloadPart"]["Bytes"].decode().split(";")[:-1]
        delays += [(time.time_ns() - int(stamp)) / 1e6 for stamp in stamps]
    if len(delays) != _CHUNKS:
        raise RuntimeError(f"{len(delays)} chunks came of {_CHUNKS}")
    return delays


def _deploy(server: Server) -> None:
    name = bucket(server, "bench-streaming")
    server.client("s3").put_object(Bucket=name, Key="model.tar.gz", Body=archive({"code/inference.py": _SCRIPT}))
    sagemaker = server.client("sagemaker")
    container = {"Image": SKLEARN, "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    sagemaker.create_model(ModelName="stream", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "stream", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="stream", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="stream", EndpointConfigName="stream")
    if wait_for_endpoint(sagemaker, "stream")["EndpointStatus"] != "InService":
        raise RuntimeError("the endpoint is not in service")
