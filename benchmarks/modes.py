"""Input modes: how fast data come to a program in each, from the embedded S3 and against others' ways.

FastFile against SeaweedFS's own mount of the same objects; File mode's small objects against a loop of boto3; Pipe against File mode,
both from the start of the download to the last byte that the program read.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from support.jobs import archive, bucket, log_lines, script_job, wait_for_job
from support.server import SKLEARN, Server, running_server

from benchmarks.figures import Figure, Floor, at_most, median, median_ratio
from sagewright.compute import namespaces
from sagewright.objects.upstream import RECORD, Upstream
from sagewright.objects.weed import find_program

SIZE = 192 << 20
SMALL, SMALL_BYTES = 1000, 20_000
MANY = 20_000
ROUNDS = 3
GROUP = "/aws/sagemaker/TrainingJobs"

_READ = """
import json, os, sys, time
def read(path):
    began = time.perf_counter()
    file = open(path, "rb", buffering=0)
    size = len(file.read(65536))
    first = time.perf_counter() - began
    while piece := file.read(1 << 20):
        size += len(piece)
    return {"size": size, "first": first, "seconds": time.perf_counter() - began}
"""
_FAST_FILE = f"""{_READ}
root = os.environ["SM_CHANNEL_TRAIN"]
os.path.exists(root + "/none")  # the file system has begun to serve
print("found " + json.dumps([read(root + "/many/19999"), read(root + "/large")]), flush=True)
"""
_PIPE = f"""{_READ}
print("found " + json.dumps([read("/opt/ml/input/data/train_0"), time.time()]), flush=True)
"""
_FILE = f"""{_READ}
print("found " + json.dumps([read(os.environ["SM_CHANNEL_TRAIN"] + "/large"), time.time()]), flush=True)
"""


def figures() -> list[Figure]:
    with running_server(hold_describe=0.0) as server:
        store = _data(server)
        return [*_fast_file(server, store), _small(server, store), _pipe(server, store)]


def _data(server: Server) -> str:
    store, s3 = bucket(server, "bench-modes"), server.client("s3")
    body = np.random.default_rng(0).bytes(SIZE)
    s3.put_object(Bucket=store, Key="set/large", Body=body)
    s3.put_object(Bucket=store, Key="one/large", Body=body)
    items = [(f"small/{number:05}", body[number : number + SMALL_BYTES]) for number in range(SMALL)]
    items += [(f"set/many/{number:05}", b"x") for number in range(MANY)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: s3.put_object(Bucket=store, Key=item[0], Body=item[1]), items))
    return store


def _fast_file(server: Server, store: str) -> list[Figure]:
    rounds, first = [], []
    with _weed_mount(server, store) as mounted:
        for number in range(ROUNDS):
            (many, large), _ = _run(server, store, f"fast-{number}", _FAST_FILE, "set", "FastFile")
            first.append(many["first"])
            theirs = _of_weed(mounted)
            rounds.append((large["size"] / large["seconds"] / 1e6, theirs))
    floor = Floor("a start of Python", _python())
    found = [at_most(f"FastFile: first byte of one of {MANY} objects", median(first), 0.05, floor)]
    if rounds[0][1]:
        return [*found, median_ratio("FastFile, one after the other, to weed mount", rounds, 0.8, "MB/s")]
    value = f"{median(ours for ours, _ in rounds):,.0f} MB/s"
    return [*found, Figure("FastFile, one after the other (weed mount does not work here)", value)]


def _small(server: Server, store: str) -> Figure:
    rounds = []
    for number in range(ROUNDS):
        _, downloading = _run(server, store, f"small-{number}", "pass", "small", "File")
        rounds.append((SMALL / downloading, SMALL / _loop(server.client("s3"), store)))
    return median_ratio("File: small objects, to a loop of boto3 that writes files", rounds, 3, "a second")


def _loop(s3: Any, store: str) -> float:
    """Seconds that a script takes to have the same files."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        for index in range(SMALL):
            name = f"{index:05}"
            Path(folder, name).write_bytes(s3.get_object(Bucket=store, Key=f"small/{name}")["Body"].read())
        return time.perf_counter() - began


def _pipe(server: Server, store: str) -> Figure:
    """The seconds from the beginning of Downloading to the program's last byte."""
    rounds = []
    for number in range(ROUNDS):
        speeds = []
        for mode, program in (("Pipe", _PIPE), ("File", _FILE)):
            name = f"{mode.lower()}-{number}"
            (_, ended), _ = _run(server, store, name, program, "one", mode)
            described = server.client("sagemaker").describe_training_job(TrainingJobName=name)
            steps = {step["Status"]: step for step in described["SecondaryStatusTransitions"]}
            speeds.append(SIZE / 1e6 / (ended - steps["Downloading"]["StartTime"].timestamp()))
        rounds.append((speeds[0], speeds[1]))
    return median_ratio("Pipe: from download to the last byte read, to File", rounds, 0.8, "MB/s")


def _run(server: Server, store: str, name: str, program: str, prefix: str, mode: str) -> tuple[Any, float]:
    """What the program printed, and how long Downloading took."""
    server.client("s3").put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": program}))
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{store}/{prefix}/", "S3DataDistributionType": "FullyReplicated"}
    channel = {"ChannelName": "train", "InputMode": mode, "DataSource": {"S3DataSource": source}}
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**script_job(name, store, SKLEARN, InputDataConfig=[channel]))
    described = wait_for_job(sagemaker, name, 300)
    lines = log_lines(server, GROUP, f"{name}/")
    assert described["TrainingJobStatus"] == "Completed", lines
    found = [json.loads(line.removeprefix("found ")) for line in lines if line.startswith("found ")]
    steps = {step["Status"]: step for step in described["SecondaryStatusTransitions"]}
    seconds = (steps["Training"]["StartTime"] - steps["Downloading"]["StartTime"]).total_seconds()
    return (found[0] if found else None), seconds


@contextmanager
def _weed_mount(server: Server, store: str) -> Iterator[int | None]:
    """SeaweedFS's own file system over the same objects, in namespaces of a process; that process, or None where it does not work."""
    upstream = Upstream.read(server.settings.run / RECORD)
    folder = Path(tempfile.mkdtemp(prefix="sw-weed-"))
    child = os.fork()
    if child == 0:
        _become_weed(server, upstream, store, folder)
    try:
        yield child if _is_there(child, folder) else None
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)


def _become_weed(server: Server, upstream: Upstream, store: str, folder: Path) -> None:
    """In the network behind the moat, where the filer listens, and with a mount table of its own."""
    try:
        filer = json.loads((server.settings.objects / "ports.json").read_text())["filer"]
        weed = next(int(pid) for pid in (server.settings.run / "weed.pid").read_text().split() if pid.isdigit())
        namespaces.enter_network(weed)
        namespaces.unshare(namespaces.CLONE_NEWNS)
        namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE)
        (folder / "mnt").mkdir()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
        for target in (1, 2):
            os.dup2(log, target)
        where = [f"-filer=127.0.0.1:{filer}", f"-filer.path=/buckets/{store}", f"-dir={folder / 'mnt'}"]
        os.execv(
            find_program(),
            ["weed", "mount", *where, f"-cacheDir={folder}", "-cacheCapacityMB=0", "-readOnly", "-allowOthers=false"],
        )
    finally:
        os._exit(1)


def _is_there(child: int, folder: Path) -> bool:
    for _ in range(100):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        if f" {folder / 'mnt'} " in Path(f"/proc/{child}/mountinfo").read_text():
            return True
        time.sleep(0.1)
    return False


def _of_weed(mounted: int | None) -> float:
    """MB/s of one read of the large object, by a process in the same namespaces; 0 where there is no mount."""
    if mounted is None:
        return 0.0
    place = next(
        line.split()[4]
        for line in Path(f"/proc/{mounted}/mountinfo").read_text().splitlines()
        if line.split()[4].endswith("/mnt") and "fuse" in line
    )
    program = f"{_READ}\nprint(json.dumps(read(sys.argv[1])))"
    enter = ["nsenter", "-t", str(mounted), "-m", sys.executable, "-I", "-c", program, f"{place}/one/large"]
    Path("/proc/sys/vm/drop_caches").write_text("1")
    read = json.loads(subprocess.run(enter, check=True, capture_output=True, text=True).stdout)
    return float(read["size"] / read["seconds"] / 1e6)


def _python() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return time.monotonic() - began
