"""Latency of jobs and endpoints, and the server itself: start-up and memory."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import psutil
from support.jobs import archive, breast_cancer, bucket, csv, script_job, training_job, wait_for_endpoint, wait_for_job
from support.server import ROLE, SKLEARN, XGBOOST, Server, running_server

from benchmarks.figures import Figure, Floor, at_most, at_most_mebibytes, median
from sagewright.supervisor import describe_running

_STARTS = 3
_SCRIPT = "import time\nprint('first-line %.6f' % time.time(), flush=True)\n"


def figures() -> list[Figure]:
    floor = Floor("a start of Python", median(_python() for _ in range(_STARTS)))
    with running_server(hold_describe=0.0) as server:
        found = [_first_line(server, floor), _whole_job(server, floor), _endpoint(server, floor)]
    with running_server() as server:
        ready = median(_restart(server) for _ in range(_STARTS))
        return [*found, at_most("server ready, second start", ready, 3.0, floor), _idle_memory(server)]


def _python() -> float:
    """Seconds that an interpreter needs to start and end: how fast, and how busy, this machine is now."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return time.monotonic() - began


def _restart(server: Server) -> float:
    server.stop()
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


def _first_line(server: Server, floor: Floor) -> Figure:
    name = bucket(server, "bench-first-line")
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    delays = []
    for number in range(12):
        job = f"first-line-{number}"
        s3.put_object(Bucket=name, Key=f"{job}/sourcedir.tar.gz", Body=archive({"train.py": _SCRIPT}))
        sagemaker.create_training_job(**script_job(job, name, SKLEARN))
        accepted = time.time()
        wait_for_job(sagemaker, job)
        if number >= 2:  # the first ones warm the zygote
            delays.append(_printed(server, job) - accepted)
    return at_most("CreateTrainingJob accepted to first line of user code, p50", median(delays), 0.1, floor)


def _printed(server: Server, job: str) -> float:
    logs = server.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    return next(float(event["message"].split()[1]) for event in events if event["message"].startswith("first-line "))


def _whole_job(server: Server, floor: Floor) -> Figure:
    name = bucket(server, "bench-whole-job")
    server.client("s3").put_object(Bucket=name, Key="train/train.csv", Body=csv(breast_cancer()[0]))
    sagemaker = server.client("sagemaker")
    seconds = []
    for number in range(6):
        request = training_job(f"whole-{number}", name)
        request["HyperParameters"]["num_round"] = "50"
        began = time.monotonic()
        sagemaker.create_training_job(**request)
        _poll(
            lambda number=number: sagemaker.describe_training_job(TrainingJobName=f"whole-{number}"),
            "TrainingJobStatus",
            "Completed",
        )
        seconds.append(time.monotonic() - began)
    return at_most("breast cancer, XGBoost, 50 rounds: request to Completed", median(seconds), 1.0, floor)


def _endpoint(server: Server, floor: Floor) -> Figure:
    sagemaker = server.client("sagemaker")
    model = sagemaker.describe_training_job(TrainingJobName="whole-0")["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(ModelName="bench", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": model})
    variant = {"VariantName": "AllTraffic", "ModelName": "bench", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="bench", ProductionVariants=[variant])
    seconds = []
    for number in range(4):
        name = f"bench-{number}"
        began = time.monotonic()
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="bench")
        wait_for_endpoint(sagemaker, name)
        seconds.append(time.monotonic() - began)
        sagemaker.delete_endpoint(EndpointName=name)
    return at_most("CreateEndpoint to InService", median(seconds), 1.0, floor)


def _poll(describe: Any, member: str, wanted: str) -> None:
    deadline = time.monotonic() + 60
    while (found := describe())[member] != wanted:
        if found[member] == "Failed" or time.monotonic() > deadline:
            raise RuntimeError(found.get("FailureReason", found[member]))
        time.sleep(0.01)


def _idle_memory(server: Server) -> Figure:
    """Proportional set size of the supervisor and all below it (shared pages counted once), zygotes included."""
    time.sleep(5)  # idle is what is measured, so it must come to rest
    record = describe_running(server.settings)
    assert record is not None
    supervisor = psutil.Process(record["pid"])
    sizes = {process.pid: process.memory_full_info().pss for process in (supervisor, *supervisor.children(recursive=True))}
    return at_most_mebibytes("idle memory of all processes together (PSS)", sum(sizes.values()) / 2**20, 450)
