"""What no one may find: secrets in logs, files outside the folders they belong to."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jobs import archive, breast_cancer, bucket, csv, script_job, training_job, wait_for_endpoint, wait_for_job
from support.raw import Call, Wire
from support.server import ROLE, SKLEARN, XGBOOST, Server, running_server

PROGRAM = "import os; print('running as', os.getuid())"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "secrets")


def member(name: str, body: bytes = b"evil", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, len(body)
    return entry, body


def evil(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar.gz with these members after a harmless program."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for entry, body in (member("train.py", PROGRAM.encode()), *members):
            tar.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()


def archives(target: str) -> dict[str, bytes]:
    link = member("out", b"", tarfile.SYMTYPE, str(Path(target).parent))
    return {
        "upwards": evil(member(f"../../../../../../../..{target}")),
        "absolute": evil(member(target)),
        "through-a-link": evil(link, member(f"out/{Path(target).name}")),
        "hard-link": evil(member("passwd", b"", tarfile.LNKTYPE, "/etc/passwd")),
        "device": evil(member("device", b"", tarfile.CHRTYPE)),
        "truncated": evil()[: len(evil()) // 2],
        "no-archive": b"\x1f\x8b" + bytes(100),
    }


@pytest.mark.parametrize("name", archives("/x"))
def test_an_evil_source_archive_harms_only_its_job(server: Server, store: str, tmp_path: Path, name: str) -> None:
    target = tmp_path / "written"
    tmp_path.chmod(0o777)
    job = f"source-{name}"
    server.client("s3").put_object(Bucket=store, Key=f"{job}/sourcedir.tar.gz", Body=archives(str(target))[name])
    server.client("sagemaker").create_training_job(**script_job(job, store, SKLEARN))
    ended = wait_for_job(server.client("sagemaker"), job)
    assert not target.exists()
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"]
    assert "Traceback" not in ended["FailureReason"].splitlines()[0]


@pytest.mark.parametrize("name", archives("/x"))
def test_an_evil_model_archive_harms_only_its_endpoint(server: Server, store: str, tmp_path: Path, name: str) -> None:
    target = tmp_path / "written"
    tmp_path.chmod(0o777)
    sagemaker, endpoint = server.client("sagemaker"), f"model-{name}"
    server.client("s3").put_object(Bucket=store, Key=f"{endpoint}.tar.gz", Body=archives(str(target))[name])
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/{endpoint}.tar.gz"}
    sagemaker.create_model(ModelName=endpoint, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": endpoint, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=endpoint, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)
    ended = wait_for_endpoint(sagemaker, endpoint)
    sagemaker.delete_endpoint(EndpointName=endpoint)
    assert ended["EndpointStatus"] == "Failed"
    assert ended["FailureReason"]
    assert not target.exists()


@pytest.mark.parametrize("key", ["../../outside", "a/../../../outside", "/absolute", "..", "a//b", "a\\..\\b", "%2e%2e/x"])
def test_a_key_is_not_a_path(server: Server, store: str, key: str) -> None:
    """Downloaded as a channel, it stays in the channel's folder, or the job is refused."""
    name = f"key-{abs(hash(key)) % 10**6}"
    program = "import os; print(sorted(os.listdir('/opt/ml/input/data/train')))"
    wire = Wire(server)
    try:
        put = Call(service="s3", method="PUT", path=f"/{store}/{name}/{key.replace('%', '%25')}", body=b"1,2\n")
        stored = wire.call(put)
        assert stored.status in (200, 400), stored
    finally:
        wire.close()
    server.client("s3").put_object(Bucket=store, Key=f"{name}/ok.csv", Body=b"1,2\n")
    server.client("s3").put_object(Bucket=store, Key=f"{name}-code/sourcedir.tar.gz", Body=archive({"train.py": program}))
    request = script_job(f"{name}-code", store, SKLEARN)
    request["InputDataConfig"] = training_job("x", store)["InputDataConfig"]
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{store}/{name}/"
    server.client("sagemaker").create_training_job(**request)
    ended = wait_for_job(server.client("sagemaker"), f"{name}-code")
    assert ended["TrainingJobStatus"] in ("Completed", "Failed")
    assert not list(server.folder.parent.glob("outside*"))
    found = subprocess.run(["find", server.folder, "-name", "outside", "-print"], capture_output=True, text=True, check=False)
    assert all("/ml/input/data/train/" in path for path in found.stdout.splitlines())


def test_no_log_holds_a_secret(server: Server, store: str) -> None:
    """After every kind of request, good and bad, with long-term and temporary keys and a job that had keys of its own."""
    s3, sagemaker, sts = server.client("s3"), server.client("sagemaker"), server.client("sts")
    s3.put_object(Bucket=store, Key="train/train.csv", Body=csv(breast_cancer()[0]))
    sagemaker.create_training_job(**training_job("secretive", store))
    assert wait_for_job(sagemaker, "secretive")["TrainingJobStatus"] == "Completed"
    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    wire = Wire(server)
    temporary = (keys["AccessKeyId"], keys["SecretAccessKey"])
    for secret in (temporary[1], "wrong"):
        for call in (
            Call("SageMaker.ListModels", token=keys["SessionToken"]),
            Call("SageMaker.ListModels", b'{"x', token=keys["SessionToken"]),
            Call(service="s3", method="GET", path=f"/{store}/nothing", body=b"", token=keys["SessionToken"]),
        ):
            wire.call(call, (temporary[0], secret))
    wire.close()
    credentials = json.loads(server.settings.credentials.read_text())
    internal = json.loads((server.settings.objects / "s3.json").read_text())["identities"][0]["credentials"][0]["secretKey"]
    secrets = [credentials["secret"], credentials["master"], internal, keys["SecretAccessKey"], keys["SessionToken"]]
    server.stop()
    logs = [file for file in server.settings.data.rglob("*") if file.is_file() and ".log" in file.name]
    assert {"control.log", "front-1.log", "objects.log", "supervisor.log", "weed.log"} <= {file.name for file in logs}
    for file in [*logs, *server.settings.data.rglob("stdout")]:
        text = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in text], file
    server.start()


def test_files_are_the_owners_alone(server: Server) -> None:
    assert server.settings.data.stat().st_mode & 0o077 == 0
    assert server.settings.credentials.stat().st_mode & 0o077 == 0
