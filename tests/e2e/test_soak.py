"""An endpoint under everything that clients do wrong, for minutes: nothing leaks (bad input of the inference plane; K02, K18).

SAGEWRIGHT_SOAK_SECONDS sets how long; ten minutes unless it says otherwise. `pytest -s` shows the lines.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import botocore.exceptions
import psutil
import pytest
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server, running_server
from support.serving import xgboost_model

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("SAGEWRIGHT_SOAK_SECONDS", "600"))
SAMPLES = 60
CAPTURE = {
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": "s3://soak/captured",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
}


class Sample(NamedTuple):
    """Of control, fronts and serving containers: megabytes (PSS), open descriptors, processes."""

    memory: float
    descriptors: int
    processes: int


def test_lines_stay_flat() -> None:
    with running_server() as server:
        deploy(server)
        counts = dict.fromkeys((act.__name__ for act in ACTS), 0)
        over, failures = threading.Event(), list[str]()
        clients = [threading.Thread(target=client, args=(server, over, counts, failures, seed)) for seed in range(4)]
        for thread in clients:
            thread.start()
        samples = list[Sample]()
        try:
            for _ in range(SAMPLES):
                time.sleep(SECONDS / SAMPLES)
                samples.append(sampled(server))
                print(
                    f"{samples[-1].memory:7.1f} MB {samples[-1].descriptors:5d} descriptors {samples[-1].processes:3d} processes"
                )
        finally:
            over.set()
            for thread in clients:
                thread.join()
        print(counts)
        assert failures == []
        assert min(counts.values()) > 0, counts
        flat(samples)


def flat(samples: list[Sample]) -> None:
    """The last third is no higher than the second: the first is for what fills once (parsers, pools, caches)."""
    third = len(samples) // 3
    for member, slack in (("memory", 30.0), ("descriptors", 12), ("processes", 1)):
        middle = statistics.median(getattr(sample, member) for sample in samples[third : 2 * third])
        last = statistics.median(getattr(sample, member) for sample in samples[-third:])
        assert last <= middle * 1.03 + slack, f"{member} grew from {middle} to {last}"


def deploy(server: Server) -> None:
    bucket(server, "soak")
    server.client("s3").put_object(Bucket="soak", Key="model.tar.gz", Body=archive({"xgboost-model": xgboost_model()}))
    sagemaker = server.client("sagemaker")
    container = {"Image": XGBOOST, "ModelDataUrl": "s3://soak/model.tar.gz"}
    sagemaker.create_model(ModelName="soak", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "soak", "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="soak", ProductionVariants=[variant], DataCaptureConfig=CAPTURE)
    sagemaker.create_endpoint(EndpointName="soak", EndpointConfigName="soak")
    assert wait_for_endpoint(sagemaker, "soak")["EndpointStatus"] == "InService"


def sampled(server: Server) -> Sample:
    assert server.process is not None
    found = [process for process in psutil.Process(server.process.pid).children(recursive=True) if process.name() != "weed"]
    memory, descriptors = 0.0, 0
    for process in found:
        with contextlib.suppress(psutil.Error):
            memory += process.memory_full_info().pss / 2**20
            descriptors += process.num_fds()
    return Sample(memory, descriptors, len(found))


def client(server: Server, over: threading.Event, counts: dict[str, int], failures: list[str], seed: int) -> None:
    generator, runtime = random.Random(seed), server.client("sagemaker-runtime")
    while not over.is_set():
        act = generator.choice(ACTS)
        try:
            act(server, runtime)
            counts[act.__name__] += 1
        except Exception as problem:  # noqa: BLE001 - the thread must end with a text, whatever it was
            failures.append(f"{act.__name__}: {problem!r}")
            return


def asks(server: Server, runtime: Any) -> None:
    answer = runtime.invoke_endpoint(EndpointName="soak", ContentType="text/csv", Body=b"5,1\n" * 50)
    assert len(answer["Body"].read().split()) == 50


def streams_and_leaves(server: Server, runtime: Any) -> None:
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="soak", ContentType="text/csv", Body=b"5,1\n" * 5000)
    answer["Body"].close()


def sends_garbage(server: Server, runtime: Any) -> None:
    refused("ModelError", lambda: runtime.invoke_endpoint(EndpointName="soak", ContentType="text/csv", Body=b"no,number"))


def sends_too_much(server: Server, runtime: Any) -> None:
    large = bytes(26 * 1024 * 1024)
    refused("ValidationError", lambda: runtime.invoke_endpoint(EndpointName="soak", ContentType="text/csv", Body=large))


def names_what_is_not_there(server: Server, runtime: Any) -> None:
    refused("ValidationError", lambda: runtime.invoke_endpoint(EndpointName="nowhere", Body=b"1"))
    refused("ValidationError", lambda: runtime.invoke_endpoint(EndpointName="soak", TargetVariant="none", Body=b"1"))
    refused("ValidationError", lambda: runtime.invoke_endpoint(EndpointName="soak", SessionId="unknown", Body=b"1"))


def stops_in_the_middle(server: Server, runtime: Any) -> None:
    with socket.create_connection((server.settings.host, server.settings.port), 10) as connection:
        connection.sendall(b"POST /endpoints/soak/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")


def refused(code: str, call: Callable[[], Any]) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code, caught.value.response


ACTS = (asks, asks, asks, streams_and_leaves, sends_garbage, sends_too_much, names_what_is_not_there, stops_in_the_middle)
