"""The main job over every way to run the server: one process, several fronts, Postgres, an S3 of one's own, an ordinary user."""

from __future__ import annotations

import contextlib
import os

import psutil
import pytest
from support import postgres
from support.jobs import breast_cancer, bucket, csv, training_job, wait, wait_for_endpoint, wait_for_job
from support.server import ROLE, SOURCES, XGBOOST, Server, eventually, running_server
from support.users import ordinary_user


def owners(process: psutil.Process) -> set[int]:
    """The users of a process and of all below it; those that end meanwhile do not count."""
    found = set()
    for member in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.add(member.uids().real)
    return found


def main_job(server: Server, name: str = "main") -> None:
    """Upload, train, deploy, invoke, transform, clean up; the endpoint and the batch agree."""
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    train, test, _ = breast_cancer()
    bucket(server, name)
    s3.put_object(Bucket=name, Key="train/train.csv", Body=csv(train))
    s3.put_object(Bucket=name, Key="batch/test.csv", Body=csv(test))
    sagemaker.create_training_job(**training_job(name, name))
    job = wait_for_job(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    container = {"Image": XGBOOST, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert wait_for_endpoint(sagemaker, name)["EndpointStatus"] == "InService"
    invoke = server.client("sagemaker-runtime").invoke_endpoint
    online = invoke(EndpointName=name, ContentType="text/csv", Body=csv(test))["Body"].read()
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{name}/batch/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={"S3OutputPath": f"s3://{name}/out", "AssembleWith": "Line", "Accept": "text/csv"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    ended = wait(
        lambda: sagemaker.describe_transform_job(TransformJobName=name),
        "TransformJobStatus",
        {"Completed", "Failed"},
        60,
    )
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
    batch = s3.get_object(Bucket=name, Key="out/test.csv.out")["Body"].read()
    assert len(batch.split()) == len(test)
    assert [float(value) for value in batch.split()] == pytest.approx([float(value) for value in online.split()])
    sagemaker.delete_endpoint(EndpointName=name)


def test_in_one_process() -> None:
    with running_server(inline=True) as server:
        main_job(server)
        process = psutil.Process(server.pid("server"))
        assert process.cmdline()[-1] == "sagewright.app.inline"
        server.kill("server")
        server.wait_until_healthy()
        assert server.client("sagemaker").describe_training_job(TrainingJobName="main")["TrainingJobStatus"] == "Completed"


def test_with_two_fronts() -> None:
    with running_server(fronts=2) as server:
        main_job(server)
        others = [server.pid("front-1"), server.pid("front-2")]
        assert len(set(others)) == 2
        server.kill("front-1")  # its half of the clients finds the other
        eventually(lambda: server.client("sagemaker").list_models()["Models"])
        second = Server(port=server.settings.port, fronts=2)
        try:
            with pytest.raises(AssertionError, match="cannot listen"):
                second.start()
        finally:
            second.remove()


POSTGRES = postgres.binaries()


@pytest.mark.skipif(POSTGRES is None, reason="Postgres is not installed here")
def test_on_postgres() -> None:
    assert POSTGRES is not None
    with postgres.running(POSTGRES) as url, running_server(database=url) as server:
        main_job(server, "first")
        assert not (server.settings.data / "sagewright.db").exists()
        sagemaker = server.client("sagemaker")
        server.client("s3").put_object(Bucket="first", Key="train/train.csv", Body=csv(breast_cancer()[0]))
        sagemaker.create_training_job(**training_job("killed", "first"))
        server.kill("control")
        server.wait_until_healthy()
        assert wait_for_job(sagemaker, "killed")["TrainingJobStatus"] == "Completed"
        assert sagemaker.describe_training_job(TrainingJobName="first")["TrainingJobStatus"] == "Completed"


def test_on_an_s3_of_ones_own() -> None:
    """Another Sagewright's, which checks signatures as strictly as anyone's."""
    with running_server(prewarm="") as storage:
        access_key, secret = storage.keys()
        own = {"s3_url": storage.settings.url, "s3_access_key": access_key, "s3_secret_key": secret}
        with running_server(**own) as server:
            main_job(server)
            assert not server.settings.objects.exists()
            stored = storage.client("s3").list_objects_v2(Bucket="main", Prefix="output/main/")
            assert [entry["Key"] for entry in stored["Contents"]] == ["output/main/output/model.tar.gz"]
            record = (server.settings.run / "server.json").read_text()
            assert secret not in record


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests are run by an ordinary user already")
def test_as_an_ordinary_user() -> None:
    """Neither root nor anything installed for all is needed; containers get user namespaces of their own."""
    sources = os.pathsep.join(SOURCES)
    user = ordinary_user(
        61_234, f"import sys; sys.path[:0] = {sources.split(os.pathsep)!r}; import sagewright.supervisor, xgboost"
    )
    if user is None:
        pytest.skip("an ordinary user cannot run this Python here")
    with running_server(user=user) as server:
        main_job(server)
        assert server.process is not None
        assert owners(psutil.Process(server.process.pid)) == {user.number}
        assert "plain processes" not in server.logs()
