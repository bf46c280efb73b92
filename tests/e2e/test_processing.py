"""C01: processing jobs of a real server, good and bad; whatever happens, nothing is left running, mounted or on disk."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from e2e.test_bad_containers import FORKS
from support.jobs import archive, bucket, log_lines, processes, processing_job, wait_for_processing
from support.server import Server, eventually

from sagewright.compute import records

GROUP = "/aws/sagemaker/ProcessingJobs"
KIND = "processing-job"

# What the SDKs' FrameworkProcessor sends, but for its words to the log.
RUNPROC = """#!/bin/bash
set -e
cd /opt/ml/processing/input/code/
tar -xzf sourcedir.tar.gz
if [[ -f 'requirements.txt' ]]; then
    pip uninstall --yes typing
    python -m pip install -r requirements.txt
fi
python x.py "$@"
"""

WAITS = """
import signal, sys, time
def leave(number, frame):
    print("asked to stop", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("waiting", flush=True)
while True:
    time.sleep(1)
"""

TOGETHER = """
import json, os, socket
place = json.load(open("/opt/ml/config/resourceconfig.json"))
with socket.create_server(("0.0.0.0", 8080)) as server:
    for host in place["hosts"]:
        while True:
            try:
                call = socket.create_connection((host, 8080), 30)
                break
            except ConnectionRefusedError:
                pass
        call.sendall(place["current_host"].encode())
        client, _ = server.accept()
        call.close()
        print("heard", client.recv(64).decode(), flush=True)
open("/opt/ml/processing/output/" + place["current_host"], "w").write("x")
"""


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "processing")


def start(server: Server, store: str, name: str, program: str | bytes, script: str = "x.py", **changes: Any) -> None:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/code/{script}", Body=program)
    server.client("sagemaker").create_processing_job(**processing_job(name, store, script, **changes))


def finish(server: Server, name: str, lived: list[records.Identity] | None = None) -> dict[str, Any]:
    """The job's end; then none of its processes lives, nothing of it is mounted, and its folder is gone."""
    job = wait_for_processing(server.client("sagemaker"), name)
    eventually(lambda: not list(server.settings.jobs.glob(f"{KIND}/*/*/{name}")))
    assert not any(map(records.alive, lived or ()))
    assert f"{KIND}/123456789012/us-east-1/{name}/" not in Path("/proc/self/mountinfo").read_text()
    return job


def run(server: Server, store: str, name: str, program: str, **changes: Any) -> dict[str, Any]:
    start(server, store, name, program, **changes)
    return finish(server, name)


def lines(server: Server, name: str) -> list[str]:
    logs = server.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        return []
    return log_lines(server, GROUP, f"{name}/")


def objects(server: Server, store: str, name: str) -> dict[str, bytes]:
    """What lies below a job's output."""
    s3, prefix = server.client("s3"), f"{name}/out/"
    found = s3.list_objects_v2(Bucket=store, Prefix=prefix).get("Contents", [])
    return {item["Key"].removeprefix(prefix): s3.get_object(Bucket=store, Key=item["Key"])["Body"].read() for item in found}


def test_a_script_calls_aws_as_its_role_and_leaves_outputs(server: Server, store: str) -> None:
    program = """
import sys, os, json, sklearn, boto3
os.makedirs("/opt/ml/processing/output/a/b")
with open("/opt/ml/processing/output/a/b/c.txt", "w") as file:
    file.write(" ".join(sys.argv[1:]))
os.symlink("/etc/passwd", "/opt/ml/processing/output/link")
with open("/opt/ml/output/message", "w") as file:
    file.write("all is well")
print(boto3.client("sts").get_caller_identity()["Arn"])
print(json.load(open("/opt/ml/config/processingjobconfig.json"))["ProcessingJobArn"])
"""
    arguments = {**processing_job("good", store, "x.py")["AppSpecification"], "ContainerArguments": ["--ratio", "0.2"]}
    job = run(server, store, "good", program, AppSpecification=arguments)
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Completed", "all is well"), job
    assert objects(server, store, "good") == {"a/b/c.txt": b"--ratio 0.2"}
    said = lines(server, "good")
    assert said[0].endswith(":assumed-role/SagewrightExecutionRole/SageMaker")
    assert said[1] == job["ProcessingJobArn"]


def test_two_instances_talk(server: Server, store: str) -> None:
    job = run(server, store, "pair", TOGETHER, count=2)
    assert job["ProcessingJobStatus"] == "Completed", (job, lines(server, "pair"))
    assert sorted(objects(server, store, "pair")) == ["algo-1", "algo-2"]
    assert sorted(lines(server, "pair")) == sorted(["heard algo-1", "heard algo-2"] * 2)


BAD = {
    "raises": ("raise ValueError('the data is wrong')", "ValueError: the data is wrong"),
    "disk": ("f = open('/opt/ml/processing/output/x', 'wb')\nwhile True: f.write(b'x' * 2**20)", "larger VolumeSizeInGB"),
    "hungry": ("x = bytearray(40 * 2**30)\nfor i in range(0, len(x), 4096): x[i] = 1", "emory"),
    "forks": (FORKS, "exit code: 9"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("forks", "hungry") else ()) for name in BAD]
)
def test_the_failure_reason_says_what_happened(server: Server, store: str, name: str) -> None:
    program, text = BAD[name]
    job = run(server, store, f"bad-{name}", program)
    assert job["ProcessingJobStatus"] == "Failed"
    assert text in job["FailureReason"], job["FailureReason"]
    assert objects(server, store, f"bad-{name}") == {}


def test_a_script_or_a_program_that_is_not_there(server: Server, store: str) -> None:
    for name, entrypoint, text in (
        ("no-script", ["python3", "/opt/ml/processing/input/code/other.py"], "No such file or directory"),
        ("no-program", ["/opt/nothing"], "/opt/nothing"),
    ):
        application = {**processing_job(name, store, "x.py")["AppSpecification"], "ContainerEntrypoint": entrypoint}
        job = run(server, store, name, "", AppSpecification=application)
        assert job["ProcessingJobStatus"] == "Failed"
        assert text in job["FailureReason"], job["FailureReason"]


def bash(store: str, name: str) -> dict[str, Any]:
    """The entrypoint of a FrameworkProcessor."""
    entrypoint = ["/bin/bash", "/opt/ml/processing/input/code/runproc.sh"]
    return {**processing_job(name, store, "x")["AppSpecification"], "ContainerEntrypoint": entrypoint}


def framework_job(server: Server, store: str, name: str, files: dict[str, str | bytes]) -> dict[str, Any]:
    s3 = server.client("s3")
    s3.put_object(Bucket=store, Key=f"{name}/code/sourcedir.tar.gz", Body=archive(files))
    source = {"S3Uri": f"s3://{store}/{name}/code/", "LocalPath": "/opt/ml/processing/input/code", "S3DataType": "S3Prefix"}
    inputs = [{"InputName": "code", "S3Input": {**source, "S3InputMode": "File"}}]
    start(server, store, name, RUNPROC, "runproc.sh", AppSpecification=bash(store, name), ProcessingInputs=inputs)
    return finish(server, name)


def test_requirements_are_installed_beside_the_image(server: Server, store: str) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive_:
        archive_.writestr("ours_alone.py", "WORD = 'installed'\n")
        archive_.writestr("ours_alone-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: ours-alone\nVersion: 1.0\n")
        archive_.writestr("ours_alone-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive_.writestr("ours_alone-1.0.dist-info/RECORD", "")
    files: dict[str, str | bytes] = {
        "x.py": "import ours_alone; print(ours_alone.WORD)",
        "requirements.txt": "./ours_alone-1.0-py3-none-any.whl",
        "ours_alone-1.0-py3-none-any.whl": wheel.getvalue(),
    }
    job = framework_job(server, store, "requirements", files)
    assert job["ProcessingJobStatus"] == "Completed", (job, lines(server, "requirements"))
    assert "installed" in lines(server, "requirements")


def test_requirements_that_cannot_be_installed(server: Server, store: str) -> None:
    files: dict[str, str | bytes] = {"x.py": "print('never')", "requirements.txt": "./absent-1.0-py3-none-any.whl"}
    job = framework_job(server, store, "no-requirements", files)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "absent-1.0-py3-none-any.whl" in job["FailureReason"], job["FailureReason"]


@pytest.mark.slow
def test_megabytes_of_logs_neither_hurt_nor_get_lost(server: Server, store: str) -> None:
    job = run(server, store, "loud", "for i in range(30000): print('line %06d ' % i + 'x' * 80)")
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    said = [line for line in lines(server, "loud") if line.startswith("line ")]
    assert len(said) == 30000
    assert said == sorted(said)


def test_stop_reaches_the_users_processes(server: Server, store: str) -> None:
    """API StopProcessingJob: SIGTERM to each instance; at the end neither they nor their network are there."""
    start(server, store, "stopped", WAITS, count=2)
    eventually(lambda: lines(server, "stopped").count("waiting") == 2, 60)
    lived = processes(server, "stopped", KIND)
    assert len(lived) == 8, "three of each container, and the switch has two names"
    server.client("sagemaker").stop_processing_job(ProcessingJobName="stopped")
    assert finish(server, "stopped", lived)["ProcessingJobStatus"] == "Stopped"
    assert lines(server, "stopped").count("asked to stop") == 2


def test_an_isolated_job_has_no_network(server: Server, store: str) -> None:
    """API NetworkConfig."""
    program = f"""
import os, socket
for address in (("127.0.0.1", {server.settings.port}), ("192.0.2.1", 80)):
    try:
        socket.create_connection(address, 2)
        raise SystemExit("reached %s" % (address,))
    except OSError:
        pass
assert "AWS_SECRET_ACCESS_KEY" not in os.environ
"""
    job = run(server, store, "isolated", program, NetworkConfig={"EnableNetworkIsolation": True})
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
