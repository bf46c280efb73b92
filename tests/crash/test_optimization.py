"""C01: kill -9 of control, again and again, while a language model is optimized: it completes once, and its container ran once."""

from __future__ import annotations

import pytest
from support.jobs import bucket, log_lines, wait
from support.optimization import optimization_job
from support.server import eventually, running_server
from support.text_models import alphabet, files

STATES = {"COMPLETED", "FAILED", "STOPPED"}
KIND = "optimization-job"


@pytest.mark.slow
def test_it_completes_once() -> None:
    with running_server() as server:
        sagemaker, s3, store = server.client("sagemaker"), server.client("s3"), bucket(server, "optimization-survival")
        for name, content in files(alphabet()).items():
            s3.put_object(Bucket=store, Key=f"files/{name}", Body=content)
        where = {
            "ModelSource": {"S3": {"S3Uri": f"s3://{store}/files"}},
            "OutputConfig": {"S3OutputLocation": f"s3://{store}/out"},
        }
        sagemaker.create_optimization_job(**optimization_job("survivor", **where))
        server.kill("control")
        server.wait_until_healthy()
        eventually(lambda: list(server.settings.jobs.glob(f"{KIND}/*/*/survivor/algo-1/started.json")), 60)
        server.kill("control")
        server.wait_until_healthy()
        job = wait(
            lambda: sagemaker.describe_optimization_job(OptimizationJobName="survivor"), "OptimizationJobStatus", STATES, 120
        )
        assert job["OptimizationJobStatus"] == "COMPLETED", job
        lines = log_lines(server, "/aws/sagemaker/OptimizationJobs", "survivor/")
        assert len([line for line in lines if line.startswith("Quantized ")]) == 1
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=store, Prefix="out/")["Contents"]]
        assert "out/model.safetensors" in keys
        eventually(lambda: not list(server.settings.jobs.glob(f"{KIND}/*/*/survivor")))
