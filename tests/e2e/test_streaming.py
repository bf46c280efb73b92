"""Data that are not copied, by boto3 against a real server: FastFile's file system, file systems of the settings (G06, G07, B10, B11)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.jobs import archive, bucket, log_lines, script_job, wait_for_job
from support.server import SKLEARN, Server, eventually, running_server

from sagewright.compute.host import JOB_USER, Host
from sagewright.compute.sandbox import Sandbox

GROUP = "/aws/sagemaker/TrainingJobs"
FSX, EFS = "fs-0123456789abcdef0", "fs-0fedcba9876543210"
SIZE = 40 << 20

READS = """
import json, os, random, time
root = os.environ["SM_CHANNEL_TRAIN"]
began = time.perf_counter()
with open(root + "/large", "rb") as file:
    file.read(65536)
    first = time.perf_counter() - began
with open(root + "/large", "rb") as file:
    whole = file.read()
places = [random.randrange(len(whole) - 4096) for _ in range(50)]
descriptor = os.open(root + "/large", os.O_RDONLY)
equal = all(os.pread(descriptor, 4096, place) == whole[place : place + 4096] for place in places)
try:
    open(root + "/new", "w")
    refused = 0
except OSError as error:
    refused = error.errno
found = {"walk": sorted(name for _, _, names in os.walk(root) for name in names), "size": len(whole), "equal": equal}
found.update(sum=sum(whole[::4096]), refused=refused, many=len(os.listdir(root + "/many")), first=first)
print("found " + json.dumps(found), flush=True)
"""

FILES = """
import os
for name in ("efs", "fsx"):
    print(name, open(f"/opt/ml/input/data/{name}/a.txt").read().strip(), flush=True)
    try:
        open(f"/opt/ml/input/data/{name}/written", "w").write("by the job")
        print(name, "written", flush=True)
    except OSError as error:
        print(name, error.strerror, flush=True)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for each file system, with a folder below that everybody may write."""
    root = tmp_path_factory.mktemp("file-systems")
    for name in ("efs", "fsx"):
        (root / name / "set").mkdir(parents=True)
        (root / name / "set/a.txt").write_text(f"data of {name}\n")
        (root / name / "set").chmod(0o777)
        (root / name / "out").symlink_to("/etc")
    return root


@pytest.fixture(scope="module")
def server(folders: Path) -> Iterator[Server]:
    with running_server(file_systems=f"{EFS}={folders / 'efs'}:ro,{FSX}={folders / 'fsx'}") as started:
        yield started


def run(server: Server, store: str, name: str, program: str, **changes: Any) -> dict[str, Any]:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": program}))
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**script_job(name, store, SKLEARN, **changes))
    return wait_for_job(sagemaker, name)


def s3_channel(uri: str, mode: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": "train", "InputMode": mode, "DataSource": {"S3DataSource": source}}


def file_channel(name: str, file_system: str, kind: str, path: str, mode: str) -> dict[str, Any]:
    source = {"FileSystemId": file_system, "FileSystemType": kind, "DirectoryPath": path, "FileSystemAccessMode": mode}
    return {"ChannelName": name, "DataSource": {"FileSystemDataSource": source}}


def helpers() -> list[int]:
    """Programs of ours that serve file systems."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "mounted.program" in " ".join(process.info["cmdline"] or ())
    ]


@pytest.mark.skipif(bool(Sandbox(Host(Path(), ())).without_file_systems), reason="nothing can be mounted here")
def test_fast_file_is_a_file_system_of_the_prefix(server: Server) -> None:
    """G07: whole files, random access, folders, read-only; no copy, no mount of the host, no process is left."""
    store, s3 = bucket(server, "fast-file"), server.client("s3")
    body = np.random.default_rng(0).bytes(SIZE)
    s3.put_object(Bucket=store, Key="set/large", Body=body)
    for number in range(30):
        s3.put_object(Bucket=store, Key=f"set/many/{number:02}", Body=b"x" * number)
    before, mounts = helpers(), len(Path("/proc/self/mountinfo").read_text().splitlines())
    described = run(server, store, "fast-file", READS, InputDataConfig=[s3_channel(f"s3://{store}/set", "FastFile")])
    lines = log_lines(server, GROUP, "fast-file/")
    assert described["TrainingJobStatus"] == "Completed", lines
    found = next(
        eval(line.removeprefix("found "), {"true": True, "false": False}) for line in lines if line.startswith("found ")
    )
    assert found.pop("first") < 5
    walk = [*(f"{number:02}" for number in range(30)), "large"]
    assert found == {"walk": walk, "size": SIZE, "equal": True, "sum": sum(body[::4096]), "refused": 30, "many": 30}
    eventually(lambda: helpers() == before)
    assert len(Path("/proc/self/mountinfo").read_text().splitlines()) == mounts
    assert not any("copied before" in step["StatusMessage"] for step in described["SecondaryStatusTransitions"])


def test_file_systems_are_directories_of_the_settings(server: Server, folders: Path) -> None:
    """B10, B11: EFS for reading, FSx for Lustre (whose paths begin with its mount name) for writing, too."""
    store = bucket(server, "file-systems")
    channels = [
        file_channel("efs", EFS, "EFS", "/set", "ro"),
        file_channel("fsx", FSX, "FSxLustre", "/mountname/set", "rw"),
    ]
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    described = run(server, store, "file-systems", FILES, InputDataConfig=channels, VpcConfig=vpc)
    lines = log_lines(server, GROUP, "file-systems/")
    assert described["TrainingJobStatus"] == "Completed", lines
    said = [line for line in lines if line.startswith(("efs", "fsx"))]
    assert said == ["efs data of efs", "efs Read-only file system", "fsx data of fsx", "fsx written"]
    assert (folders / "fsx/set/written").read_text() == "by the job"
    if os.geteuid() == 0:
        assert (folders / "fsx/set/written").stat().st_uid == JOB_USER[0]
        assert (folders / "fsx/set/a.txt").stat().st_uid == 0


@pytest.mark.parametrize(
    ("file_system", "path", "mode", "why"),
    [
        ("fs-00000000000000000", "/set", "ro", "The file system is not registered on this server"),
        (EFS, "/set", "rw", "The file system is registered for reading only"),
        (EFS, "/none", "ro", "Please ensure the mount path specified exists on the filesystem."),
        (EFS, "/out", "ro", "Please ensure the mount path specified exists on the filesystem."),
        (EFS, "/set/../../x", "ro", "The path leads out of the file system."),
    ],
)
def test_a_file_system_that_cannot_be_mounted_fails_the_job(
    server: Server, file_system: str, path: str, mode: str, why: str
) -> None:
    store, name = bucket(server, "file-systems"), f"no-mount-{abs(hash((file_system, path, mode))) % 10**9}"
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    channels = [file_channel("train", file_system, "EFS", path, mode)]
    described = run(server, store, name, FILES, InputDataConfig=channels, VpcConfig=vpc)
    assert described["TrainingJobStatus"] == "Failed"
    start = f"ClientError: Unable to mount file system: {file_system} directory path: {path}. {why}"
    assert described["FailureReason"].startswith(start)


COUNTS = """
import os
root = "/opt/ml/input/data"
print("found", sorted((name, sorted(os.listdir(f"{root}/{name}"))) for name in os.listdir(root)), flush=True)
"""


def test_twenty_channels(server: Server) -> None:
    """API CreateTrainingJob: InputDataConfig has at most 20 members. Each brings its own objects, whatever its mode."""
    store, s3 = bucket(server, "many-channels"), server.client("s3")
    channels = []
    for number in range(20):
        s3.put_object(Bucket=store, Key=f"set/{number:02}/of-{number:02}", Body=b"x")
        mode = "FastFile" if number % 4 == 0 else "File"
        channels.append(s3_channel(f"s3://{store}/set/{number:02}/", mode) | {"ChannelName": f"c{number:02}"})
    described = run(server, store, "many-channels", COUNTS, InputDataConfig=channels)
    lines = log_lines(server, GROUP, "many-channels/")
    assert described["TrainingJobStatus"] == "Completed", lines
    assert f"found {[(f'c{number:02}', [f'of-{number:02}']) for number in range(20)]}" in lines
    with pytest.raises(server.client("sagemaker").exceptions.ClientError, match="less than or equal to 20"):
        run(server, store, "more-channels", COUNTS, InputDataConfig=[*channels, s3_channel(f"s3://{store}/set/", "File")])


LARGE = 600 << 20


@pytest.mark.slow
def test_an_object_passes_that_no_process_holds(server: Server, tmp_path: Path) -> None:
    """Objects larger than memory: as artefact and as data, in File and in FastFile mode, they cost a small part of their size."""
    store, s3 = bucket(server, "large-object"), server.client("s3")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGE)
    ours = {name: server.pid(name) for name in ("control", "front-1")}
    s3.upload_file(str(tmp_path / "large"), store, "set/large")
    before = {name: peak(process) for name, process in ours.items()}
    program = f"""
import os
root = os.environ["SM_CHANNEL_TRAIN"]
size = 0
with open(root + "/large", "rb") as file:
    while piece := file.read(1 << 20):
        size += len(piece)
assert size == {LARGE}, size
"""
    for mode in ("File", "FastFile"):
        described = run(server, store, f"large-{mode}", program, InputDataConfig=[s3_channel(f"s3://{store}/set/", mode)])
        assert described["TrainingJobStatus"] == "Completed", log_lines(server, GROUP, f"large-{mode}/")
    after = {name: peak(process) for name, process in ours.items()}
    assert all(after[name] - before[name] < LARGE // 4 for name in ours), (before, after)


def peak(process: int) -> int:
    """The most memory that a process has had, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
