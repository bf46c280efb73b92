"""Latency of jobs and endpoints, and the server itself: start-up and memory."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
from support.jobs import archive, breast_cancer, bucket, csv, script_job, training_job, wait_for_endpoint, wait_for_job
from support.server import ROLE, SKLEARN, XGBOOST, Server, running_server

from benchmarks.figures import Figure, Floor, at_least, at_most, at_most_mebibytes, median
from sagewright.supervisor import describe_running

_STARTS = 3
_MANY, _TURNS, _SUBMITTERS = 100, 3, 8
_THREAD = threading.local()
_SCRIPT = "import time\nprint('first-line %.6f' % time.time(), flush=True)\n"


def figures() -> list[Figure]:
    floor = Floor("a start of Python", median(_python() for _ in range(_STARTS)))
    with running_server(hold_describe=0.0) as server:
        found = [_first_line(server, floor), _whole_job(server, floor), _endpoint(server, floor), *_many_at_once(server)]
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


def _many_at_once(server: Server) -> list[Figure]:
    """A hundred trivial jobs at once, three times over: jobs per second, and what control has grown by after the first time."""
    name = bucket(server, "bench-many")
    server.client("s3").put_object(Bucket=name, Key="sourcedir.tar.gz", Body=archive({"train.py": "print('trained')"}))
    control = psutil.Process(server.pid("control"))
    seconds, sizes = [], []
    for turn in range(_TURNS):
        began = time.monotonic()
        with ThreadPoolExecutor(_SUBMITTERS) as pool:
            for answer in pool.map(lambda number, turn=turn: _submit(server, f"many-{turn}-{number}"), range(_MANY)):
                assert answer
        _wait_for_all(server, f"many-{turn}-", began)
        seconds.append(time.monotonic() - began)
        sizes.append(control.memory_full_info().uss / 2**20)
    return [
        at_least(f"{_MANY} trivial training jobs at once, all Completed", _MANY / median(seconds), 10, "jobs/s"),
        at_most_mebibytes(f"control's growth by another {_MANY * (_TURNS - 1)} jobs (USS)", sizes[-1] - sizes[0], 16),
    ]


def _submit(server: Server, name: str) -> str:
    """A script without data or model: what is measured is ours."""
    source = {"sagemaker_submit_directory": '"s3://bench-many/sourcedir.tar.gz"'}
    request = script_job(name, "bench-many", SKLEARN, source)
    arn: str = _client(server).create_training_job(**request)["TrainingJobArn"]
    return arn


def _client(server: Server) -> Any:
    """One of each thread: making a client takes longer than a call."""
    if not hasattr(_THREAD, "client"):
        _THREAD.client = server.client("sagemaker")
    return _THREAD.client


def _wait_for_all(server: Server, prefix: str, began: float) -> None:
    """Until every job has ended, looked at by what is still under way: one call each time."""
    sagemaker = server.client("sagemaker")
    while sagemaker.list_training_jobs(NameContains=prefix, StatusEquals="InProgress", MaxResults=1)["TrainingJobSummaries"]:
        if time.monotonic() - began > 120:
            raise RuntimeError("the jobs take too long")
        time.sleep(0.05)
    ended = sagemaker.get_paginator("list_training_jobs").paginate(NameContains=prefix, StatusEquals="Completed")
    completed = sum(len(page["TrainingJobSummaries"]) for page in ended)
    if completed != _MANY:
        raise RuntimeError(f"{completed} of {_MANY} jobs were completed")


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
