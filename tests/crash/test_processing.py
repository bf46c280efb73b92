"""C01: kill -9 of control, or of everything, at any point of a processing job: it runs once, nothing is lost, nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from support.jobs import bucket, log_lines, processes, processing_job, wait_for_processing
from support.server import Server, eventually, running_server

from sagewright.compute import records

KIND = "processing-job"
GROUP = "/aws/sagemaker/ProcessingJobs"

# Both hosts write one part of a continuous output at once, and one at the end, after they have heard from one another.
TOGETHER = """
import json, socket, time
place = json.load(open("/opt/ml/config/resourceconfig.json"))
host = place["current_host"]
def write(name):
    with open("/opt/ml/processing/output/" + name + "-" + host, "w") as file:
        file.write("x")
write("early")
print("announced", flush=True)
time.sleep(4)
with socket.create_server(("0.0.0.0", 8080)) as server:
    for other in place["hosts"]:
        for _ in range(3000):
            try:
                call = socket.create_connection((other, 8080), 30)
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        call.sendall(b"x")
        client, _ = server.accept()
        assert client.recv(1) == b"x"
write("late")
open("/opt/ml/output/message", "w").write(host + " ")
print("finished", flush=True)
"""

QUICK = """
open("/opt/ml/processing/output/done", "w").write("x")
print("ran", flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "processing-survival")


def lines(server: Server, name: str) -> list[str]:
    try:
        return log_lines(server, GROUP, f"{name}/")
    except botocore.exceptions.ClientError:
        return []


def keys(server: Server, store: str, name: str) -> list[str]:
    prefix = f"{name}/out/"
    found = server.client("s3").list_objects_v2(Bucket=store, Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in found]


def request(server: Server, store: str, name: str, program: str, **changes: Any) -> dict[str, Any]:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/code/x.py", Body=program)
    return processing_job(name, store, "x.py", **changes)


@pytest.mark.parametrize("victim", ["control", pytest.param("everything", marks=pytest.mark.slow)])
def test_two_instances_go_on_and_each_ran_once(server: Server, store: str, victim: str) -> None:
    name = f"pair-{victim}"
    job = request(server, store, name, TOGETHER, count=2)
    job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3UploadMode"] = "Continuous"
    server.client("sagemaker").create_processing_job(**job)
    eventually(lambda: lines(server, name).count("announced") == 2, 60)
    running = processes(server, name, KIND)
    assert len(running) == 8, "three of each container, and the switch has two names"
    if victim == "everything":
        server.kill_everything()
        server.start()
    else:
        server.kill(victim)
        server.wait_until_healthy()
    ended = wait_for_processing(server.client("sagemaker"), name)
    assert (ended["ProcessingJobStatus"], ended["ExitMessage"]) == ("Completed", "algo-1 algo-2 "), ended
    assert sorted(lines(server, name)) == ["announced"] * 2 + ["finished"] * 2
    assert sorted(keys(server, store, name)) == ["early-algo-1", "early-algo-2", "late-algo-1", "late-algo-2"]
    eventually(lambda: not any(map(records.alive, running)))
    eventually(lambda: not list(server.settings.jobs.glob(f"{KIND}/*/*/{name}")))


def test_jobs_created_while_control_is_being_killed_all_complete_once(server: Server, store: str) -> None:
    """Accepted means durable: whatever phase a job is in when control dies, it ends Completed, with one line in its log."""
    sagemaker = server.client("sagemaker")
    accepted = []
    for number in range(5):
        name = f"hurried-{number}"
        job = request(server, store, name, QUICK)
        try:
            sagemaker.create_processing_job(**job)
            accepted.append(name)
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 503:
                raise
        server.kill("control")
        server.wait_until_healthy()
    assert accepted
    for name in accepted:
        ended = wait_for_processing(sagemaker, name)
        assert ended["ProcessingJobStatus"] == "Completed", ended
        assert lines(server, name) == ["ran"]
        assert keys(server, store, name) == ["done"]
    eventually(lambda: not list(server.settings.jobs.glob(f"{KIND}/*/*/*/algo-*")))
