"""Where a machine offers no sandbox, jobs run as plain processes, and their logs say so."""

from __future__ import annotations

from support.jobs import archive, bucket, log_lines, script_job, wait_for_job
from support.server import SKLEARN, running_server

_PROGRAM = """
import os
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w") as file:
    file.write("x")
print("ran")
"""


def test_a_plain_process_runs_and_its_log_warns() -> None:
    with running_server(runtime="process") as server:
        store = bucket(server, "plain-process")
        server.client("s3").put_object(Bucket=store, Key="plain/sourcedir.tar.gz", Body=archive({"train.py": _PROGRAM}))
        sagemaker = server.client("sagemaker")
        sagemaker.create_training_job(**script_job("plain", store, SKLEARN))
        job = wait_for_job(sagemaker, "plain")
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        lines = log_lines(server, "/aws/sagemaker/TrainingJobs", "plain/")
        assert any("is not isolated" in line for line in lines)
        assert "ran" in lines

        isolated = script_job("plain-isolated", store, SKLEARN, EnableNetworkIsolation=True)
        isolated["HyperParameters"]["sagemaker_submit_directory"] = f'"s3://{store}/plain/sourcedir.tar.gz"'
        sagemaker.create_training_job(**isolated)
        refused = wait_for_job(sagemaker, "plain-isolated")
        assert refused["TrainingJobStatus"] == "Failed"
        assert "network isolation" in refused["FailureReason"]
