"""POST /_sagewright/reset, which --test-hooks adds: every account emptied, S3 included, nothing of it runs on."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import botocore.exceptions
import pytest
from support.jobs import (
    archive,
    breast_cancer,
    bucket,
    csv,
    instances,
    processes,
    script_job,
    training_job,
    wait_for_endpoint,
    wait_for_job,
)
from support.server import ROLE, SKLEARN, XGBOOST, Server, eventually, running_server

from sagewright.compute import records
from sagewright.compute.retirement import run_folders

ENDLESS = "import time\nprint('announced', flush=True)\nwhile True: time.sleep(1)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(test_hooks=True) as started:
        yield started


def reset(server: Server, method: str = "POST", **headers: str) -> int:
    request = urllib.request.Request(f"{server.settings.url}/_sagewright/reset", b"", headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_everything_is_gone_and_the_server_works_on(server: Server) -> None:
    for _ in range(2):
        sagemaker, s3 = server.client("sagemaker"), server.client("s3")
        store = bucket(server, "reset")
        s3.put_object(Bucket=store, Key="train/train.csv", Body=csv(breast_cancer()[0]))
        s3.put_object(Bucket=store, Key="endless/sourcedir.tar.gz", Body=archive({"train.py": ENDLESS}))
        sagemaker.create_training_job(**training_job("trained", store))
        job = wait_for_job(sagemaker, "trained")
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        container = {"Image": XGBOOST, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
        sagemaker.create_model(ModelName="reset", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "all", "ModelName": "reset", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(EndpointConfigName="reset", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="reset", EndpointConfigName="reset")
        wait_for_endpoint(sagemaker, "reset")
        sagemaker.create_training_job(**script_job("endless", store, SKLEARN, ResourceConfig=instances(2)))
        eventually(lambda: len(processes(server, "endless")) == 8, 90)  # three of each container, and the switch has two names
        running = processes(server, "endless")
        assert reset(server) == 200
        assert not any(map(records.alive, running))
        assert list(run_folders(server.settings.jobs)) == []
        assert s3.list_buckets()["Buckets"] == []
        assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
        assert sagemaker.list_endpoints()["Endpoints"] == []
        assert server.client("logs").describe_log_groups()["logGroups"] == []
        assert server.client("cloudwatch").list_metrics()["Metrics"] == []
        with pytest.raises(botocore.exceptions.ClientError, match="not found"):
            server.client("sagemaker-runtime").invoke_endpoint(EndpointName="reset", Body=b"1", ContentType="text/csv")
    assert server.client("sagemaker", region_name="eu-west-1").list_models()["Models"] == []


def test_again_and_again_with_odd_keys(server: Server) -> None:
    s3 = server.client("s3")
    for number in range(3):
        store = bucket(server, f"few-{number}")
        for key in ("a", "b/c", "b/", "ä ö", "d//e", "x/../y"):
            s3.put_object(Bucket=store, Key=key, Body=b"" if key.endswith("/") else b"1")
        server.client("sagemaker").create_model(ModelName=store, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": XGBOOST})
    for _ in range(3):
        assert reset(server) == 200
        assert s3.list_buckets()["Buckets"] == []


def test_versions_and_unfinished_uploads_go_too(server: Server) -> None:
    s3 = server.client("s3")
    store = bucket(server, "odd")
    s3.put_bucket_versioning(Bucket=store, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=store, Key="versioned", Body=body)
    s3.delete_object(Bucket=store, Key="versioned")
    s3.create_multipart_upload(Bucket=store, Key="unfinished")
    assert reset(server) == 200
    assert s3.list_buckets()["Buckets"] == []
    bucket(server, "odd")
    assert s3.list_object_versions(Bucket="odd").get("Versions", []) == []
    assert "Contents" not in s3.list_objects_v2(Bucket="odd")


def test_a_web_page_cannot_ask_for_it(server: Server) -> None:
    """A browser sends a page's POST to any address; it says whose page it was."""
    bucket(server, "kept")
    assert reset(server, Origin="http://example.com") == 403
    assert reset(server, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert reset(server, Host="rebound.example.com") == 403
    assert [entry["Name"] for entry in server.client("s3").list_buckets()["Buckets"]] != []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post(server: Server, method: str) -> None:
    assert reset(server, method) == 404


def test_not_there_without_the_flag(plain: Server) -> None:
    assert reset(plain) == 404


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    with running_server(prewarm="") as started:
        yield started
