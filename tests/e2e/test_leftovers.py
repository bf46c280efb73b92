"""Whatever is wrong with a training job: it ends with the cause in words, and nothing of it is left running, mounted or on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from botocore.exceptions import ClientError
from support.jobs import archive, bucket, script_job, wait_for_job
from support.server import SKLEARN, Server, eventually, running_server

STORE = "leftovers"
FORKS = """
import os, time
for _ in range(200):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
raise SystemExit(3)
"""
FLOODS = """
import sys
for _ in range(20_000):
    print("x" * 1000)
sys.exit("that was all")
"""
NO_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/nothing:1"


def channel(prefix: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{STORE}/{prefix}", "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}}


FAILED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "a script that is not there": ({"other.py": ""}, {}, "train.py"),
    "a requirement that nobody has": (
        {"train.py": "pass", "requirements.txt": "no-such-package-anywhere==9.9.9\n"},
        {},
        "no-such-package-anywhere",
    ),
    "a script that fails": ({"train.py": "raise ValueError('of the script')"}, {}, "of the script"),
    "a script that forks": ({"train.py": FORKS}, {}, "exit code: 3"),
    "a script that floods its log": ({"train.py": FLOODS}, {}, "that was all"),
    "a script that ends itself": ({"train.py": "import os; os.kill(os.getpid(), 9)"}, {}, "exit code: 137"),
    "an image that does not exist": (
        {},
        {"AlgorithmSpecification": {"TrainingImage": NO_IMAGE, "TrainingInputMode": "File"}},
        "Cannot find repository",
    ),
    "a prefix without objects": ({}, {"InputDataConfig": [channel("nothing/")]}, "No S3 objects found"),
}


class Left(NamedTuple):
    """What a job can leave: processes, mounts of this machine, folders of runs."""

    processes: frozenset[str]
    mounts: int
    folders: tuple[str, ...]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(hold_describe=0.0) as started:
        yield started


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, STORE)


def left(server: Server) -> Left:
    supervisor = psutil.Process(server.process.pid if server.process else 0)
    running = {" ".join(process.cmdline()[:4]) for process in supervisor.children(recursive=True) if process.is_running()}
    inside = [process for process in psutil.process_iter(["environ"]) if "TRAINING_JOB_NAME" in (process.info["environ"] or {})]
    folders = tuple(sorted(folder for folder, _, names in os.walk(server.settings.jobs) if names))
    mounts = len(Path("/proc/self/mountinfo").read_text().splitlines())
    return Left(frozenset(running) | {f"of a job: {process.pid}" for process in inside}, mounts, folders)


def test_nothing_is_left_of_jobs_that_fail(server: Server, store: str) -> None:
    """E09, G11: the causes of the table, one job after the other; the first of all only warms the server."""
    run(server, store, "warms", {"train.py": "pass"}, {})
    eventually(lambda: not left(server).folders, why=lambda: str(left(server)))
    before = left(server)
    for number, (sources, changes, words) in enumerate(FAILED.values()):
        assert words in outcome(server, store, f"fails-{number}", sources, changes)
    eventually(lambda: left(server) == before, why=lambda: f"{before}\n{left(server)}")


def outcome(server: Server, store: str, name: str, sources: dict[str, str], changes: dict[str, Any]) -> str:
    """What was said when the job was refused, or when it failed."""
    try:
        described = run(server, store, name, sources, changes)
    except ClientError as refused:
        return f"{refused}"
    assert described["TrainingJobStatus"] == "Failed"
    return str(described["FailureReason"])


def run(server: Server, store: str, name: str, sources: dict[str, str], changes: dict[str, Any]) -> dict[str, Any]:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive(sources))
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**script_job(name, store, SKLEARN, **changes))
    return wait_for_job(sagemaker, name)
