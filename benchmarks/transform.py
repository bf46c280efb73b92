"""Batch transform of one large CSV through built-in XGBoost beside Polars (pandas where that is missing) and ``inplace_predict`` in one process.

The job's whole life counts: its start, the way of every byte out of S3 and back. The peer reads a file and keeps everything in memory.
Rows are made on the spot, 30 features of six digits, about 280 bytes each: ``python -m benchmarks transform --rows 5000000`` is 1.4 GB.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import xgboost
from support.jobs import archive, bucket, wait
from support.server import ROLE, XGBOOST, Server, running_server

from benchmarks.figures import Figure, at_most_mebibytes, median_ratio
from sagewright.compute import records

_ROWS = 500_000
_PART = 50_000
_ROUNDS = 3
_ENDED = {"Completed", "Failed", "Stopped"}

_PYTHON = str(Path(__file__).parents[1] / ".clients" / "peers" / "bin" / "python")
_PEER = """
import sys, time
began = time.perf_counter()
import xgboost
booster = xgboost.Booster(model_file=sys.argv[2])
import polars
table = polars.read_csv(sys.argv[1], has_header=False, schema={f"f{n}": polars.Float32 for n in range(30)}).to_numpy()
predictions = booster.inplace_predict(table)
with open(sys.argv[3], "w") as file:
    file.write("\\n".join(map(repr, predictions.tolist())))
print(time.perf_counter() - began)
"""


def figures(rows: int = _ROWS) -> list[Figure]:
    """With ``rows`` rows; the ratio is that of the speeds."""
    with tempfile.TemporaryDirectory() as folder, running_server(hold_describe=0.0) as server:
        data, model = Path(folder, "rows.csv"), Path(folder, "xgboost-model.json")
        _make(data, model, rows)
        _upload(server, data, model)
        _transform(server, "warm", "s3://bench-transform/small/")
        rounds, peaks = [], []
        for number in range(_ROUNDS if rows <= _ROWS else 1):
            with _watched(server) as peak:
                ours = _transform(server, f"job-{number}", "s3://bench-transform/large/")
            theirs = _peer(data, model, Path(folder, "out"))
            rounds.append((rows / ours, rows / theirs))
            peaks.append(peak[0] / 2**20)
        size = data.stat().st_size / 1e6
        return [
            median_ratio(
                f"rows/s of {size:,.0f} MB of CSV, against reading and predicting in one process", rounds, 0.8, "rows/s"
            ),
            at_most_mebibytes("memory of the job's container and control above what they had before, at most", max(peaks), 400),
        ]


def _make(data: Path, model: Path, rows: int) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 30)).astype(np.float32)
    labels = (features[:, :5].sum(axis=1) + generator.normal(size=20_000) > 0).astype(int)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, xgboost.DMatrix(features, labels), 100)
    booster.save_model(model)
    part = "".join(",".join(f"{value:.6f}" for value in row) + "\n" for row in generator.normal(size=(_PART, 30)).tolist())
    with data.open("w") as file:
        for _ in range(rows // _PART):
            file.write(part)


def _upload(server: Server, data: Path, model: Path) -> None:
    name, s3 = bucket(server, "bench-transform"), server.client("s3")
    s3.upload_file(str(data), name, "large/rows.csv")
    with data.open("rb") as file:
        s3.put_object(Bucket=name, Key="small/rows.csv", Body=b"".join(file.readline() for _ in range(100)))
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=archive({"xgboost-model": model.read_bytes()}))
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    server.client("sagemaker").create_model(ModelName="bench", ExecutionRoleArn=ROLE, PrimaryContainer=container)


def _transform(server: Server, name: str, uri: str) -> float:
    """Seconds from the request to the end of the job."""
    sagemaker, began = server.client("sagemaker"), time.perf_counter()
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName="bench",
        TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://bench-transform/out/{name}", "AssembleWith": "Line", "Accept": "text/csv"},
        TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    )
    ended = wait(lambda: sagemaker.describe_transform_job(TransformJobName=name), "TransformJobStatus", _ENDED, 600)
    if ended["TransformJobStatus"] != "Completed":
        raise RuntimeError(ended["FailureReason"])
    return time.perf_counter() - began


def _peer(data: Path, model: Path, output: Path) -> float:
    """Seconds of the program itself, without the interpreter's start."""
    command = [_PYTHON, "-c", _PEER, str(data), str(model), str(output)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=1200).stdout)


@contextmanager
def _watched(server: Server) -> Iterator[list[float]]:
    """The most bytes (PSS) that control and its containers, but not the object store and the fronts, took above what they took before."""
    assert server.process is not None
    peak, over = [0.0], threading.Event()
    before = _memory(server)

    def watch() -> None:
        while not over.wait(0.1):
            peak[0] = max(peak[0], _memory(server) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _memory(server: Server) -> float:
    assert server.process is not None
    ours = psutil.Process(server.process.pid).children(recursive=True)
    runs = [records.read(run, records.STARTED) or {} for run in server.settings.jobs.glob("transform-job/*/*/*/*/*")]
    started = [run[who][0] for run in runs for who in ("shim", "init", "user") if run.get(who)]
    pids = {process.pid for process in ours if not _is_aside(process)} | set(started)
    total = 0.0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_full_info().pss
    return total


def _is_aside(process: psutil.Process) -> bool:
    """The object store and the fronts."""
    try:
        return process.name() == "weed" or "sagewright.front" in process.cmdline()
    except psutil.Error:
        return True
