"""A container that crashes, hangs, fills the disk, forks without end or prints megabytes harms only itself, and FailureReason says what happened."""

from __future__ import annotations

from typing import Any

import pytest
from support.jobs import archive, bucket, log_lines, script_job, wait_for_job
from support.server import SKLEARN, Server, eventually

from sagewright.compute.capabilities import survey

FORKS = """
import os, time
made = 0
try:
    while made < 20000:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError as error:
    print("stopped after", made, error, flush=True)
    raise SystemExit(9)
"""
PROGRAMS = {
    "raises": "raise ValueError('the data is wrong')",
    "exits": "import sys; sys.exit(7)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "failure-file": "open('/opt/ml/output/failure', 'w').write('my own words ' + 'x' * 5000); raise SystemExit(1)",
    "hungry": "x = bytearray(40 * 2**30)\nfor i in range(0, len(x), 4096): x[i] = 1",
    "disk": "f = open('/opt/ml/model/large', 'wb')\nwhile True: f.write(b'x' * 2**20); f.flush()",
    "forks": FORKS,
}
EXPECTED = {
    "raises": "the data is wrong",
    "exits": "7",
    "killed": "137",
    "failure-file": "my own words",
    "hungry": "emory",
    "disk": "",
    "forks": "9",
}


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "bad-containers")


def _run(server: Server, store: str, name: str, program: str, **changes: Any) -> dict[str, Any]:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": program}))
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**script_job(name, store, SKLEARN, **changes))
    return wait_for_job(sagemaker, name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_failure_reason_says_what_happened(server: Server, store: str, name: str) -> None:
    resources = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    job = _run(server, store, f"bad-{name}", PROGRAMS[name], ResourceConfig=resources)
    assert job["TrainingJobStatus"] == "Failed"
    assert EXPECTED[name] in job["FailureReason"], job["FailureReason"]
    assert len(job["FailureReason"]) <= 1024
    assert server.client("sagemaker").list_training_jobs(MaxResults=1)["TrainingJobSummaries"]


def test_megabytes_of_logs_neither_hurt_nor_get_lost(server: Server, store: str) -> None:
    job = _run(server, store, "loud", "for i in range(60000): print('line %06d ' % i + 'x' * 80)")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    lines = [line for line in log_lines(server, "/aws/sagemaker/TrainingJobs", "loud/") if line.startswith("line ")]
    assert len(lines) == 60000
    assert lines == sorted(lines)


def test_a_job_that_runs_too_long_is_stopped_and_its_model_kept(server: Server, store: str) -> None:
    """API StoppingCondition: SIGTERM at MaxRuntimeInSeconds; Stopped, MaxRuntimeExceeded; the model is uploaded."""
    program = """
import signal, sys, time
def leave(number, frame):
    open("/opt/ml/model/saved", "w").write("kept")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("waiting", flush=True)
while True:
    time.sleep(1)
"""
    job = _run(server, store, "endless", program, StoppingCondition={"MaxRuntimeInSeconds": 2})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    server.client("s3").head_object(Bucket=store, Key="output/endless/output/model.tar.gz")


def test_stop_reaches_the_users_process(server: Server, store: str) -> None:
    """API StopTrainingJob: SIGTERM first; a script that ends by itself is Stopped, and its model uploaded."""
    program = """
import signal, sys, time
def leave(number, frame):
    print("asked to stop", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("waiting", flush=True)
while True:
    time.sleep(1)
"""
    server.client("s3").put_object(Bucket=store, Key="stopped/sourcedir.tar.gz", Body=archive({"train.py": program}))
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**script_job("stopped", store, SKLEARN))
    eventually(lambda: "waiting" in _lines(server, "stopped"))
    sagemaker.stop_training_job(TrainingJobName="stopped")
    job = wait_for_job(sagemaker, "stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "asked to stop" in _lines(server, "stopped")


def test_an_isolated_job_has_no_network_and_no_job_sees_the_server(server: Server, store: str) -> None:
    """EnableNetworkIsolation means no network; user code never has the server's powers."""
    program = f"""
import os, pathlib, socket
for address in (("127.0.0.1", {server.settings.port}), ("192.0.2.1", 80)):
    try:
        socket.create_connection(address, 2)
        raise SystemExit("reached %s" % (address,))
    except OSError:
        pass
assert not pathlib.Path({str(server.settings.data)!r}).exists(), "the data folder is visible"
assert "AWS_SECRET_ACCESS_KEY" not in os.environ
print("isolated")
"""
    job = _run(server, store, "isolated", program, EnableNetworkIsolation=True)
    if not survey()[0].available:
        pytest.skip("this machine has no sandbox")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "isolated" in _lines(server, "isolated")


def _lines(server: Server, name: str) -> list[str]:
    logs = server.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/TrainingJobs")["logGroups"]:
        return []
    return log_lines(server, "/aws/sagemaker/TrainingJobs", f"{name}/")
