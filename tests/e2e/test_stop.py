"""Stopping the server: what serves ends with it, what trains goes on, and the next start makes everything true again."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

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

from sagewright.compute.retirement import run_folders

_PATIENT = """
import time
print("announced", flush=True)
for _ in range(60):
    time.sleep(0.1)
open("/opt/ml/model/model", "w").write("done")
"""


def deploy(server: Server, name: str) -> None:
    """An endpoint of the built-in XGBoost in the bucket of the same name, InService."""
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    bucket(server, name)
    s3.put_object(Bucket=name, Key="train/train.csv", Body=csv(breast_cancer()[0]))
    sagemaker.create_training_job(**training_job(name, name))
    job = wait_for_job(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    container = {"Image": XGBOOST, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert wait_for_endpoint(sagemaker, name)["EndpointStatus"] == "InService"


def invoke(server: Server, name: str) -> float:
    """One prediction."""
    row = csv(breast_cancer()[1][:1])
    answer = server.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=row)
    return float(answer["Body"].read())


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes with an open file, a working folder or an argument below the folder; containers by their shims' logs."""
    found = []
    for process in psutil.process_iter():
        try:
            links = [os.readlink(f"/proc/{process.pid}/fd/{name}") for name in os.listdir(f"/proc/{process.pid}/fd")]  # noqa: PTH115, PTH208 - strings are wanted
            links += process.cmdline()
        except (OSError, psutil.Error):
            continue
        if process.pid != os.getpid() and any(str(folder) in link for link in links):
            found.append(process)
    return found


def leftovers(folder: Path) -> list[str]:
    """What a server on the folder has left on this machine: processes, mounts, control groups' members."""
    found = [" ".join([str(process.pid), *process.cmdline()]) for process in processes_of(folder)]
    return found + [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]


def test_serving_ends_with_the_server_and_training_goes_on() -> None:
    with running_server() as server:
        deploy(server, "stopping")
        expected = invoke(server, "stopping")
        server.client("s3").put_object(Bucket="stopping", Key="patient/sourcedir.tar.gz", Body=archive({"train.py": _PATIENT}))
        server.client("sagemaker").create_training_job(**script_job("patient", "stopping", SKLEARN))
        stdout = server.settings.jobs / "training-job/123456789012/us-east-1/patient/algo-1/stdout"
        eventually(lambda: stdout.exists() and b"announced" in stdout.read_bytes(), 60)
        server.stop()
        left = leftovers(server.folder)
        assert left
        assert all("/patient/" in entry or "zygote_server" in entry for entry in left), left
        assert not list(server.settings.jobs.glob("endpoint/*/*/*/*/*/dial.sock"))
        running = [folder for folder in processes_of(server.settings.jobs / "endpoint") if folder.is_running()]
        assert not running
        server.start()
        assert eventually(lambda: _predicts(server, "stopping"), 60) == expected
        job = wait_for_job(server.client("sagemaker"), "patient")
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        lines = log_lines(server, "/aws/sagemaker/TrainingJobs", "patient/")
        assert lines.count("announced") == 1


def test_an_endpoint_comes_back_at_once_however_often_the_server_is_restarted() -> None:
    """A container that ended because the server stopped is not one that failed: no back-off, no attempt counted."""
    with running_server() as server:
        deploy(server, "again")
        for _ in range(2):
            server.stop()
            server.start()
            eventually(lambda: _predicts(server, "again"), 20)
        homes = list(server.settings.jobs.glob("endpoint/*/*/again/*"))
        assert [sorted(entry.name for entry in home.iterdir() if entry.name.isdigit()) for home in homes] == [["1"]]


def test_nothing_is_left_of_a_removed_server() -> None:
    before = _temporary()
    with running_server() as server:
        deploy(server, "leaving")
        server.client("s3").put_object(Bucket="leaving", Key="patient/sourcedir.tar.gz", Body=archive({"train.py": _PATIENT}))
        server.client("sagemaker").create_training_job(**script_job("patient", "leaving", SKLEARN, ResourceConfig=instances(2)))
        eventually(lambda: len(processes(server, "patient")) == 8, 60)  # three of each container, and the switch has two names
        weed = psutil.Process(int((server.settings.run / "weed.pid").read_text())).children()[0].pid
        chosen = json.loads((server.settings.objects / "ports.json").read_text()).values()
        ports = [str(port + above) for port in chosen for above in (0, 10_000)]
        server.kill_everything()
    eventually(lambda: not leftovers(server.folder), 10, lambda: str(leftovers(server.folder)))
    added = _temporary() - before
    assert not [entry for entry in added if entry == server.folder.name or entry.endswith(f".{weed}")]
    assert not [entry for entry in added if re.fullmatch(rf"seaweedfs-.*-({'|'.join(ports)})\\.sock", entry)]


def _temporary() -> set[str]:
    return {entry.name for entry in Path("/tmp").iterdir()}


def _predicts(server: Server, name: str) -> float:
    try:
        return invoke(server, name)
    except server.client("sagemaker-runtime").exceptions.ClientError:
        return 0.0


@pytest.mark.parametrize("forged", ["ml", "ipc"])
def test_a_forged_record_is_not_followed(tmp_path: Path, forged: str) -> None:
    """User code can write below /opt/ml; a record there that names another process must not end it."""
    from_user = tmp_path / "endpoint/123456789012/us-east-1/name/1-all-0" / forged
    from_user.mkdir(parents=True)
    (from_user / "started.json").write_text("{}")
    assert list(run_folders(tmp_path)) == []
