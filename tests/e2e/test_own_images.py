"""Images of one's own, end to end (A08, A10, G12, K02): built with podman, pushed to the server's ECR, trained with, deployed, asked.

Everything is real but the registry of the world outside: images are made of this machine's own files.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from support.images import (
    MEAN,
    SERVE,
    SHELL,
    TOOLKIT,
    TOOLKIT_TRAIN,
    TRAIN,
    WHY_NOT,
    Registry,
    python_files,
    shell_files,
    toolkit_tar,
)
from support.jobs import bucket, log_lines, wait, wait_for_job, wait_for_processing
from support.server import ROLE, Server, eventually, running_server

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

ACCOUNT = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
JOBS = "/aws/sagemaker/TrainingJobs"

TALK = """#!/bin/sh
echo "word $1 $GREETING $(busybox id -u) $PWD"
busybox cat /proc/self/mountinfo | busybox grep -c ' / / rw'
"""
OF_SHELL = SHELL + 'COPY talk /bin/talk\nENV GREETING=hello\nWORKDIR /made/on/start\nENTRYPOINT ["/bin/talk"]\n'


@pytest.fixture(scope="module")
def registry(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With two images that are built and pushed: mean (Python, USER model) and talk (a shell, an entrypoint)."""
    made = Registry(server, tmp_path_factory.mktemp("user") / "podman")
    made.podman.build("mean", MEAN, {**python_files(), "train": TRAIN, "serve": SERVE})
    made.podman.build("talk", OF_SHELL, {**shell_files(), "talk": TALK})
    for name in ("mean", "talk"):
        made.ecr.create_repository(repositoryName=f"team/{name}")
        made.push(name, f"team/{name}")
    yield made
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(server.settings.data) not in mounts, "no container leaves a mount"
    assert not list(server.settings.layers.glob("*/.*")), "nothing half unpacked is left"


def job(name: str, image: str, store: str, **algorithm: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File", **algorithm},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{store}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 120},
    }


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "own-images")


def run(server: Server, request: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    ended = wait_for_job(sagemaker, request["TrainingJobName"])
    return ended, log_lines(server, JOBS, f"{request['TrainingJobName']}/")


def test_build_push_train_deploy(server: Server, registry: Registry, store: str) -> None:
    """A10, K02: the recipe. The image's USER is nobody special: it reads its data, writes its model and serves as itself."""
    server.client("s3").put_object(Bucket=store, Key="rows/rows.csv", Body=b"1\n2\n3\n")
    source = {
        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{store}/rows", "S3DataDistributionType": "FullyReplicated"}
    }
    channel = {"ChannelName": "train", "DataSource": source}
    request = job("own-mean", f"{ACCOUNT}/team/mean:latest", store)
    ended, lines = run(server, {**request, "HyperParameters": {"factor": "10"}, "InputDataConfig": [channel]})
    assert ended["TrainingJobStatus"] == "Completed", (ended.get("FailureReason"), lines)
    assert lines == ["trained 1234 1235 [77] /home/model /work own-mean"]
    sagemaker, runtime = server.client("sagemaker"), server.client("sagemaker-runtime")
    container = {"Image": f"{registry.host}/team/mean:latest", "ModelDataUrl": ended["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="own-mean", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "v", "ModelName": "own-mean", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="own-mean", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="own-mean", EndpointConfigName="own-mean")
    eventually(lambda: state(sagemaker) != "Creating", 60)
    assert state(sagemaker) == "InService", sagemaker.describe_endpoint(EndpointName="own-mean").get("FailureReason")
    answer = runtime.invoke_endpoint(EndpointName="own-mean", ContentType="text/csv", Body=b"25")
    assert json.loads(answer["Body"].read()) == {"difference": 5.0, "user": 1234}
    server.client("s3").put_object(Bucket=store, Key="asked/lines.csv", Body=b"21\n22\n")
    asked = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{store}/asked"}}, "SplitType": "Line"}
    sagemaker.create_transform_job(
        TransformJobName="own-mean",
        ModelName="own-mean",
        TransformInput={**asked, "ContentType": "text/csv"},
        TransformOutput={"S3OutputPath": f"s3://{store}/answered", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        BatchStrategy="SingleRecord",
    )
    ended = wait(
        lambda: sagemaker.describe_transform_job(TransformJobName="own-mean"), "TransformJobStatus", {"Completed", "Failed"}, 60
    )
    assert ended["TransformJobStatus"] == "Completed", ended
    lines = server.client("s3").get_object(Bucket=store, Key="answered/lines.csv.out")["Body"].read().splitlines()
    assert [json.loads(line)["difference"] for line in lines] == [1.0, 2.0]
    sagemaker.delete_endpoint(EndpointName="own-mean")
    eventually(
        lambda: (
            not [True for process in psutil.process_iter(["cmdline"]) if "/usr/bin/serve" in (process.info["cmdline"] or ())]
        ),
        30,
    )


def state(sagemaker: Any) -> str:
    return str(sagemaker.describe_endpoint(EndpointName="own-mean")["EndpointStatus"])


@pytest.mark.parametrize(
    ("name", "algorithm", "words"),
    [
        ("as-is", {}, "word train hello 0 /made/on/start"),
        ("arguments", {"ContainerArguments": ["fast", "x"]}, "word fast hello 0 /made/on/start"),
        (
            "entrypoint",
            {"ContainerEntrypoint": ["/bin/sh", "-c"], "ContainerArguments": ["busybox echo mine $0 $#"]},
            "mine /bin/sh 0",
        ),
        ("alone", {"ContainerEntrypoint": ["/bin/busybox", "hostname"]}, "algo-1"),
    ],
)
def test_entrypoint_and_arguments(
    server: Server, registry: Registry, store: str, name: str, algorithm: dict[str, Any], words: str
) -> None:
    """API AlgorithmSpecification: ContainerEntrypoint drops the image's ENTRYPOINT and CMD, ContainerArguments the word train."""
    ended, lines = run(server, job(f"own-{name}", f"{registry.host}/team/talk", store, **algorithm))
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert lines[0] == words


def test_what_fails_in_an_image_says_so(server: Server, registry: Registry, store: str) -> None:
    """G01: exit codes and the failure file count as they do everywhere; a program that is not there is 127."""
    script = "echo no good > /opt/ml/output/failure; exit 3"
    ended, _ = run(server, job("own-fails", f"{registry.host}/team/talk", store, ContainerEntrypoint=["/bin/sh", "-c", script]))
    assert (ended["TrainingJobStatus"], ended["FailureReason"].strip()) == ("Failed", "AlgorithmError: no good, exit code: 3")
    ended, lines = run(server, job("own-nothing", f"{registry.host}/team/talk", store, ContainerEntrypoint=["/bin/none"]))
    assert ended["TrainingJobStatus"] == "Failed"
    assert lines == ["/bin/none: No such file or directory"]


def test_a_job_survives_control(server: Server, registry: Registry, store: str) -> None:
    """A container of an image is adopted like any other: control is killed while it runs, and the model is delivered."""
    script = "while [ ! -e /opt/ml/model/go ]; do busybox sleep 0.1; done; echo done"
    request = job("own-survives", f"{registry.host}/team/talk", store, ContainerEntrypoint=["/bin/sh", "-c", script])
    server.client("sagemaker").create_training_job(**request)
    ml = server.settings.jobs / "training-job/123456789012/us-east-1/own-survives/algo-1/ml"
    eventually(lambda: (ml.parent / "started.json").exists(), 30)
    server.kill("control")
    (ml / "model/go").write_text("")
    ended = wait_for_job(server.client("sagemaker"), "own-survives")
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert log_lines(server, JOBS, "own-survives/") == ["done"]


def test_several_instances_of_an_image(server: Server, registry: Registry, store: str) -> None:
    """G14: the containers of an image have the network of their job."""
    listen = "import socket; socket.create_server(('', 7000)).accept()[0].sendall(b'hello')"
    script = f'[ $HOSTNAME = algo-1 ] && python3 -c "{listen}" || until cat </dev/tcp/algo-1/7000; do :; done 2>/dev/null'
    entrypoint = {"ContainerEntrypoint": ["/bin/bash", "-c"], "ContainerArguments": [script]}
    request = job("own-two", f"{registry.host}/team/mean", store, **entrypoint)
    request["ResourceConfig"]["InstanceCount"] = 2
    ended, lines = run(server, request)
    assert ended["TrainingJobStatus"] == "Completed", (ended.get("FailureReason"), lines)
    assert lines == ["hello"]


def test_images_that_are_not_there_are_refused(server: Server, registry: Registry, store: str) -> None:
    """CreateTrainingJob and CreateModel in AWS's words."""
    sagemaker = server.client("sagemaker")
    with pytest.raises(
        ClientError, match=r"Cannot find repository: team/none in registry ID: 123456789012 Please check if"
    ) as refused:
        sagemaker.create_training_job(**job("own-none", f"{ACCOUNT}/team/none:1", store))
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match=r"Cannot find the requested image: .*team/talk:none"):
        sagemaker.create_training_job(**job("own-none", f"{ACCOUNT}/team/talk:none", store))
    container = {"Image": f"{ACCOUNT}/team/talk:none"}
    with pytest.raises(ClientError, match=r"Requested image 1234.*team/talk:none not found\."):
        sagemaker.create_model(ModelName="own-none", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{store}/rows"}}
    channel = {"ChannelName": "t", "DataSource": source, "InputMode": "Pipe"}
    with pytest.raises(ClientError, match="Pipe mode with an image of your own"):
        sagemaker.create_training_job(**job("own-none", f"{ACCOUNT}/team/talk", store), InputDataConfig=[channel])


def test_the_registry_asks_who_is_there(server: Server, registry: Registry) -> None:
    """G12: no push without a password of GetAuthorizationToken, none to a repository that nobody created, none over an immutable tag."""
    assert "The repository with name 'team/none' does not exist" in registry.try_to_push("talk", "team/none", "v1")
    registry.ecr.create_repository(repositoryName="team/fixed", imageTagMutability="IMMUTABLE")
    registry.push("talk", "team/fixed", "v1")
    assert "cannot be overwritten because the tag is immutable" in registry.try_to_push("mean", "team/fixed", "v1")
    other = server.client("ecr", region_name="eu-west-1")
    assert other.describe_repositories()["repositories"] == [], "each region has its own"
    registry.podman("logout", registry.host)
    assert "nauthorized" in registry.try_to_push("talk", "team/fixed", "v2").lower()
    login = ("login", "--tls-verify=false", "--username", "AWS", "--password-stdin", registry.host)
    assert registry.podman.run(*login, given="made.up").returncode != 0
    registry.login()
    pulled = f"{registry.host}/team/fixed:v1"
    registry.podman("pull", "--tls-verify=false", "--signature-policy", registry.podman.policy, pulled)


def test_images_can_be_listed_and_deleted(server: Server, registry: Registry, store: str) -> None:
    """G12: DescribeImages, ListImages, BatchGetImage, BatchDeleteImage, DeleteRepository on what was pushed."""
    ecr, name = registry.ecr, "team/passing"
    ecr.create_repository(repositoryName=name)
    registry.push("talk", name, "v1")
    registry.push("talk", name, "v2")
    (image,) = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert sorted(image["imageTags"]) == ["v1", "v2"]
    assert 100_000 < image["imageSizeInBytes"] < 10_000_000
    ids = ecr.list_images(repositoryName=name)["imageIds"]
    assert sorted(entry["imageTag"] for entry in ids) == ["v1", "v2"]
    got = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}, {"imageTag": "v9"}])
    assert json.loads(got["images"][0]["imageManifest"])["schemaVersion"] == 2
    assert [failure["failureCode"] for failure in got["failures"]] == ["ImageNotFound"]
    with pytest.raises(ecr.exceptions.ImageNotFoundException, match="imageTag:'v9'"):
        ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "v9"}])
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName=name)
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
    assert [entry["imageTag"] for entry in ecr.list_images(repositoryName=name)["imageIds"]] == ["v2"]
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v2"}])
    assert ecr.describe_images(repositoryName=name)["imageDetails"] == []
    registry.push("talk", name, "v3")
    ended, _ = run(server, job("own-again", f"{registry.host}/{name}:v3", store))
    assert ended["TrainingJobStatus"] == "Completed", "what was deleted can be pushed again"
    ecr.delete_repository(repositoryName=name, force=True)
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_images(repositoryName=name)


def test_the_registry_goes_with_the_server_and_collects_its_garbage() -> None:
    """What was deleted is gone from the disk after the next start; a supervisor that is killed takes the registry along."""
    with running_server() as server:
        settings = server.settings
        orphan = settings.registry / "docker/registry/v2/blobs/sha256/aa" / ("aa" * 32) / "data"
        garbage = settings.registry / "garbage"
        for stop in (server.stop, server.kill_everything):
            pid = server.pid("registry")
            assert psutil.Process(pid).name().endswith("registry")
            orphan.parent.mkdir(parents=True, exist_ok=True)
            orphan.write_bytes(b"left over")
            garbage.touch()
            stop()
            assert not psutil.pid_exists(pid)
            server.start()
            eventually(lambda: not garbage.exists(), 30, server.logs)
            assert not orphan.exists()
        supervisor, pid = server.process, server.pid("registry")
        assert supervisor is not None
        supervisor.kill()
        eventually(lambda: not psutil.pid_exists(pid), 30)


@pytest.mark.slow
def test_an_image_with_the_training_toolkit_of_aws(server: Server, registry: Registry, store: str, tmp_path: Path) -> None:
    """DG adapt-training-container: sagemaker-training finds the script that the image has in /opt/ml/code, and its hyperparameters."""
    try:
        toolkit = toolkit_tar(tmp_path)
    except subprocess.CalledProcessError as problem:
        pytest.skip(f"sagemaker-training cannot be installed: {problem.stderr[-300:]!r}")
    script = "import os, sys; print('script', sys.argv[1:]); open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('x')"
    files = {**python_files(), "toolkit.tar": toolkit, "train": TOOLKIT_TRAIN, "train.py": script}
    registry.podman.build("toolkit", TOOLKIT, files)
    registry.ecr.create_repository(repositoryName="team/toolkit")
    registry.push("toolkit", "team/toolkit")
    request = job("own-toolkit", f"{registry.host}/team/toolkit", store)
    request["ResourceConfig"]["VolumeSizeInGB"] = 5
    ended, lines = run(server, {**request, "HyperParameters": {"rounds": "3"}})
    assert ended["TrainingJobStatus"] == "Completed", (ended.get("FailureReason"), lines[-20:])
    assert "script ['--rounds', '3']" in lines
    assert any("Reporting training SUCCESS" in line for line in lines)


def test_a_processing_job_runs_the_entrypoint_without_a_word(server: Server, registry: Registry, store: str) -> None:
    """C01, DG byoc-run-image: ENTRYPOINT and CMD, or ContainerArguments in the place of CMD; pip's settings are the image's business."""
    sagemaker = server.client("sagemaker")
    request = {
        "ProcessingJobName": "talks",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": f"{ACCOUNT}/team/talk:latest", "ContainerArguments": ["processed"]},
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
    }
    sagemaker.create_processing_job(**request)
    ended = wait_for_processing(sagemaker, "talks")
    said = log_lines(server, "/aws/sagemaker/ProcessingJobs", "talks/")
    assert ended["ProcessingJobStatus"] == "Completed", (ended, said)
    assert said[0] == "word processed hello 0 /made/on/start"
    absent = {**request, "ProcessingJobName": "absent", "AppSpecification": {"ImageUri": f"{ACCOUNT}/team/absent:latest"}}
    with pytest.raises(ClientError, match="Cannot find repository: team/absent"):
        sagemaker.create_processing_job(**absent)
