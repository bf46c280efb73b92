"""kill -9 at any moment: running jobs go on and are adopted, nothing accepted is lost, endpoints answer again by themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import psutil
import pytest
from support.jobs import (
    archive,
    breast_cancer,
    bucket,
    csv,
    instances,
    log_lines,
    processes,
    script_job,
    training_job,
    wait_for_endpoint,
    wait_for_job,
)
from support.server import ROLE, SKLEARN, XGBOOST, Server, eventually, running_server

from sagewright.compute import records
from sagewright.compute.host import Host
from sagewright.compute.sandbox import Sandbox

# Announces itself, waits for a sign from outside (the test's object is not reachable from here, so a file in the checkpoint
# folder does), and ends. The count of announcements in the log is the count of runs.
_PATIENT = """
import os, time
print("announced", flush=True)
with open("/opt/ml/checkpoints/started", "w") as file:
    file.write("x")
for _ in range(40):
    time.sleep(0.1)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w") as file:
    file.write("done")
print("finished", flush=True)
"""


# Reads one half of its data, waits as above, and reads the other half.
_READING = f"""{_PATIENT.partition("with open(os.path")[0]}
data = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "large"), "rb").read()
print("sum", sum(data[::4096]), flush=True)
print("finished", flush=True)
"""


# The same on two hosts, which hear from one another at the end: their network must have survived, too.
_PATIENT_TOGETHER = f"""{_PATIENT.partition("with open(os.path")[0]}
import json, socket
with socket.create_server(("0.0.0.0", 8080)) as server:
    for host in json.loads(os.environ["SM_HOSTS"]):
        for _ in range(3000):
            try:
                call = socket.create_connection((host, 8080), 30)
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        call.sendall(b"x")
        client, _ = server.accept()
        assert client.recv(1) == b"x"
print("finished", flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "survival")


def _start_patient(server: Server, store: str, name: str, program: str = _PATIENT, **changes: Any) -> None:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": program}))
    server.client("sagemaker").create_training_job(**script_job(name, store, SKLEARN, **changes))
    count = changes.get("ResourceConfig", instances(1))["InstanceCount"]
    eventually(lambda: _lines(server, name).count("announced") == count, 60)


def _lines(server: Server, name: str) -> list[str]:
    try:
        return log_lines(server, "/aws/sagemaker/TrainingJobs", f"{name}/")
    except botocore.exceptions.ClientError:
        return []


@pytest.mark.parametrize("victim", ["control", "front-1", "everything"])
def test_a_running_job_goes_on_and_ran_once(server: Server, store: str, victim: str) -> None:
    name = f"patient-{victim}"
    _start_patient(server, store, name)
    if victim == "everything":
        server.kill_everything()
        server.start()
    else:
        server.kill(victim)
        server.wait_until_healthy()
    job = wait_for_job(server.client("sagemaker"), name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    lines = _lines(server, name)
    assert sum(line == "announced" for line in lines) == 1
    assert sum(line == "finished" for line in lines) == 1
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]][-1] == "Completed"


@pytest.mark.parametrize("victim", ["control", "everything"])
def test_a_running_job_of_two_instances_goes_on_and_each_ran_once(server: Server, store: str, victim: str) -> None:
    """Both are adopted with the network between them, and nothing of it is left at the end."""
    name = f"together-{victim}"
    _start_patient(server, store, name, _PATIENT_TOGETHER, ResourceConfig=instances(2))
    running = processes(server, name)
    assert len(running) == 8, "three of each container, and the switch has two names"
    if victim == "everything":
        server.kill_everything()
        server.start()
    else:
        server.kill(victim)
        server.wait_until_healthy()
    job = wait_for_job(server.client("sagemaker"), name)
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), _lines(server, name))
    assert (
        sorted(line for line in _lines(server, name) if line in ("announced", "finished"))
        == ["announced"] * 2 + ["finished"] * 2
    )
    eventually(lambda: not any(map(records.alive, running)))
    eventually(lambda: not list(server.settings.jobs.glob(f"training-job/*/*/{name}")))


@pytest.mark.skipif(bool(Sandbox(Host(Path(), ())).without_file_systems), reason="nothing can be mounted here")
def test_a_job_goes_on_reading_from_s3_when_everything_was_killed(server: Server, store: str) -> None:
    """G07: the file system of a FastFile channel lives on with its container and waits for S3 to come back."""
    body = bytes(range(256)) * (80 << 10)
    server.client("s3").put_object(Bucket=store, Key="reading/set/large", Body=body)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{store}/reading/set", "S3DataDistributionType": "FullyReplicated"}
    channel = {"ChannelName": "train", "InputMode": "FastFile", "DataSource": {"S3DataSource": source}}
    _start_patient(server, store, "reading", _READING, InputDataConfig=[channel])
    server.kill_everything()
    server.start()
    described = wait_for_job(server.client("sagemaker"), "reading", 120)
    lines = _lines(server, "reading")
    assert described["TrainingJobStatus"] == "Completed", lines
    assert (lines.count("announced"), lines.count(f"sum {sum(body[::4096])}")) == (1, 1)


def test_a_job_of_two_instances_that_ends_while_nobody_looks_leaves_nothing(server: Server, store: str) -> None:
    """Without a server at all: the containers end by themselves, and with the last one their network."""
    _start_patient(server, store, "alone", _PATIENT_TOGETHER, ResourceConfig=instances(2))
    running = processes(server, "alone")
    server.kill_everything()
    eventually(lambda: not any(map(records.alive, running)), 60)
    server.start()
    assert wait_for_job(server.client("sagemaker"), "alone")["TrainingJobStatus"] == "Completed"
    assert sum(line == "finished" for line in _lines(server, "alone")) == 2


# Goes on from a checkpoint: the first attempt waits to be interrupted.
_COUNTING = """
import os, time
path = "/opt/ml/checkpoints/step"
step = int(open(path).read()) if os.path.exists(path) else 0
print("announced", flush=True)
print("begins at", step, flush=True)
if step == 0:
    open(path, "w").write("1")
    time.sleep(300)
"""


@pytest.mark.parametrize("moment", ["asked", "going", "gone"])
def test_an_interrupted_spot_job_survives_the_death_of_control(server: Server, store: str, moment: str) -> None:
    """G09: neither the interruption nor the job is lost, and each attempt runs once, whenever control dies."""
    name, sagemaker = f"spot-{moment}", server.client("sagemaker")
    checkpoints = f"{name}/checkpoints/step"
    _start_patient(
        server,
        store,
        name,
        _COUNTING,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
        CheckpointConfig={"S3Uri": f"s3://{store}/{name}/checkpoints"},
    )
    eventually(lambda: server.client("s3").list_objects_v2(Bucket=store, Prefix=checkpoints).get("KeyCount"), 60)
    command = [sys.executable, "-m", "sagewright", "interrupt", name]
    subprocess.run(command, env=server.process_environment(), check=True)
    wanted = {"asked": (), "going": ("Interrupted",), "gone": ("Interrupted", "Starting")}[moment]
    eventually(lambda: set(wanted) <= {step["Status"] for step in _steps(sagemaker, name)[3:]}, 60)
    server.kill("control")
    server.wait_until_healthy()
    job = wait_for_job(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), _lines(server, name))
    statuses = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert (statuses.count("Interrupted"), statuses.count("Starting")) == (1, 2)
    assert [line for line in _lines(server, name) if line.startswith("begins")] == ["begins at 0", "begins at 1"]


def _steps(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatusTransitions"]
    return found


def test_jobs_created_while_control_is_being_killed_all_complete_once(server: Server, store: str) -> None:
    """Accepted means durable: whatever phase a job is in when control dies, it ends Completed."""
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    s3.put_object(Bucket=store, Key="train/train.csv", Body=csv(breast_cancer()[0]))
    accepted = []
    for number in range(6):
        name = f"hurried-{number}"
        try:
            sagemaker.create_training_job(**training_job(name, store))
            accepted.append(name)
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 503:
                raise
        server.kill("control")
        server.wait_until_healthy()
    assert accepted
    for name in accepted:
        job = wait_for_job(sagemaker, name)
        assert job["TrainingJobStatus"] == "Completed", (name, job.get("FailureReason"))
        steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
        assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_no_acknowledged_request_is_lost(server: Server) -> None:
    acknowledged: list[str] = []
    ended = threading.Event()

    def create() -> None:
        sagemaker = server.client("sagemaker")
        number = 0
        while not ended.is_set():
            name = f"acknowledged-{number}"
            number += 1
            try:
                sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": XGBOOST})
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                continue
            acknowledged.append(name)

    writer = threading.Thread(target=create)
    writer.start()
    try:
        for _ in range(3):
            before = len(acknowledged)
            eventually(lambda before=before: len(acknowledged) > before + 20)
            server.kill("control")
            server.wait_until_healthy()
    finally:
        ended.set()
        writer.join()
    sagemaker = server.client("sagemaker")
    pages = sagemaker.get_paginator("list_models").paginate(NameContains="acknowledged-", PaginationConfig={"PageSize": 100})
    present = {model["ModelName"] for page in pages for model in page["Models"]}
    assert set(acknowledged) <= present


@pytest.fixture(scope="module")
def endpoint(server: Server, store: str) -> str:
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    s3.put_object(Bucket=store, Key="train/train.csv", Body=csv(breast_cancer()[0]))
    sagemaker.create_training_job(**training_job("for-endpoint", store))
    model = wait_for_job(sagemaker, "for-endpoint")["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName="surviving", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": model}
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "surviving",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName="surviving", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="surviving", EndpointConfigName="surviving")
    assert wait_for_endpoint(sagemaker, "surviving")["EndpointStatus"] == "InService"
    return "surviving"


class TestEndpoint:
    def test_keeps_serving_while_control_is_away(self, server: Server, endpoint: str) -> None:
        pid = server.pid("control")
        os.kill(pid, signal.SIGSTOP)  # away for as long as the test wants, where a kill is mended at once
        try:
            for _ in range(20):
                assert _invoke(server, endpoint) is not None
        finally:
            os.kill(pid, signal.SIGCONT)

    @pytest.mark.parametrize("victim", ["front-1", "control", "everything"])
    def test_answers_again_by_itself(self, server: Server, endpoint: str, victim: str) -> None:
        if victim == "everything":
            server.kill_everything()
            server.start()
        else:
            server.kill(victim)
        eventually(lambda: _answers(server, endpoint), 60)

    def test_a_killed_model_server_is_started_again(self, server: Server, endpoint: str) -> None:
        records = list(server.settings.jobs.glob("endpoint/**/started.json"))
        pids = {json.loads(record.read_text())["user"][0] for record in records if not (record.parent / "exit.json").exists()}
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))
        eventually(lambda: _answers(server, endpoint), 60)


def _invoke(server: Server, endpoint: str) -> float:
    row = csv(breast_cancer()[1][:1])
    answer = server.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=row)
    return float(answer["Body"].read())


def _answers(server: Server, endpoint: str) -> bool:
    try:
        return _invoke(server, endpoint) is not None
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
        return False
