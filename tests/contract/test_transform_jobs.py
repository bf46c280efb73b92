"""Batch transform in real containers (features K05, K11, C10; Developer Guide batch-transform, your-algorithms-batch-code)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from support.serving import SKLEARN, Rig, archive

from sagewright.compute import records
from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime

GROUP = "/aws/sagemaker/TransformJobs"
ENDED = ("Completed", "Failed", "Stopped")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def rig(tmp_path: Path, runtime: Runtime) -> Iterator[Rig]:
    with Rig(tmp_path, runtime) as made:
        made.model()
        yield made


def create(rig: Rig, name: str = "job", **changes: Any) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/batch/"}}
    request: dict[str, Any] = {
        "TransformJobName": name,
        "ModelName": "model",
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": "s3://bucket/out", "AssembleWith": "Line", "Accept": "text/csv"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    for member, value in changes.items():
        request[member] = {**request[member], **value} if isinstance(request.get(member), dict) else value
    rig.sagemaker.create_transform_job(**request)


def describe(rig: Rig, name: str = "job") -> dict[str, Any]:
    return dict(rig.sagemaker.describe_transform_job(TransformJobName=name))


def ended(rig: Rig, name: str = "job") -> dict[str, Any]:
    found: dict[str, Any] = rig.until(lambda: describe(rig, name), lambda job: job["TransformJobStatus"] in ENDED)
    return found


def rows(count: int, start: int = 0) -> bytes:
    return b"".join(b"%d,1\n" % (number % 10) for number in range(start, start + count))


def predictions(body: bytes) -> list[float]:
    return [float(line) for line in body.splitlines()]


def script(rig: Rig, source: str, name: str = "scripted") -> None:
    """A model whose container runs this inference script."""
    rig.objects.put("s3://bucket/code.tar.gz", archive({"serve.py": source.encode()}))
    rig.objects.put("s3://bucket/plain.tar.gz", archive({"note.txt": b""}))
    environment = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz"}
    rig.model(name, image=SKLEARN, url="s3://bucket/plain.tar.gz", **environment)


def test_every_object_gets_an_output_of_its_own(rig: Rig) -> None:
    """One .out per object, at its key relative to the prefix, one line per record, in order."""
    rig.objects.put("s3://bucket/batch/a.csv", rows(20))
    rig.objects.put("s3://bucket/batch/deep/b.csv", rows(7, 3))
    create(rig)
    job = ended(rig)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert predictions(rig.objects.get("s3://bucket/out/a.csv.out")) == pytest.approx([n % 10 for n in range(20)], abs=0.4)
    assert predictions(rig.objects.get("s3://bucket/out/deep/b.csv.out")) == pytest.approx(list(range(3, 10)), abs=0.4)
    streams = rig.streams(GROUP)
    assert streams[0].startswith("job/algo-1-")
    assert streams[1] == f"{streams[0]}/data-log"
    assert "MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in rig.lines(GROUP, streams[1])[0]
    rig.until(rig.run_folders, lambda folders: not folders)


def test_input_and_prediction_are_joined(rig: Rig) -> None:
    """K11: the identifier is kept from the model and stands beside its prediction."""
    rig.objects.put("s3://bucket/batch/a.csv", b"x1,3,1\nx2,7,1\n")
    create(rig, DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"})
    assert ended(rig)["TransformJobStatus"] == "Completed"
    lines = [line.split(b",") for line in rig.objects.get("s3://bucket/out/a.csv.out").splitlines()]
    assert [line[0] for line in lines] == [b"x1", b"x2"]
    assert [float(line[1]) for line in lines] == pytest.approx([3, 7], abs=0.4)


def test_a_bad_record_spoils_its_object_and_no_other(rig: Rig) -> None:
    """DG batch-transform: no output for a file with a bad record, the others go on, the job has failed."""
    rig.objects.put("s3://bucket/batch/bad.csv", b"1,1\nnot,numbers\n")
    rig.objects.put("s3://bucket/batch/good.csv", rows(3))
    create(rig)
    job = ended(rig)
    assert job["TransformJobStatus"] == "Failed"
    assert "1 of 2 input objects could not be transformed" in job["FailureReason"]
    assert "bucket/batch/bad.csv" in job["FailureReason"]
    assert [key for key in rig.objects.keys("bucket") if key.startswith("out/")] == ["out/good.csv.out"]
    assert any("bucket/batch/bad.csv: ClientError: 4" in line for line in rig.lines(GROUP, "job/"))


def test_zipped_input(rig: Rig) -> None:
    rig.objects.put("s3://bucket/batch/a.csv.gz", gzip.compress(rows(5)))
    rig.objects.put("s3://bucket/batch/b.csv.gz", gzip.compress(rows(5))[:-9])
    create(rig, TransformInput={"CompressionType": "Gzip"})
    assert "1 of 2" in ended(rig)["FailureReason"]
    assert predictions(rig.objects.get("s3://bucket/out/a.csv.gz.out")) == pytest.approx([0, 1, 2, 3, 4], abs=0.4)


def test_a_manifest_names_the_objects(rig: Rig) -> None:
    rig.objects.put("s3://bucket/batch/a.csv", rows(2))
    rig.objects.put("s3://bucket/batch/b.csv", rows(2))
    rig.objects.put("s3://bucket/list", json.dumps([{"prefix": "s3://bucket/batch/"}, "b.csv"]).encode())
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://bucket/list"}}
    create(rig, TransformInput={"DataSource": source})
    assert ended(rig)["TransformJobStatus"] == "Completed"
    assert [key for key in rig.objects.keys("bucket") if key.startswith("out/")] == ["out/b.csv.out"]


def test_the_container_knows_that_it_is_a_batch(rig: Rig) -> None:
    """DG your-algorithms-batch-code; several containers share the objects."""
    script(
        rig,
        "import os, json\n"
        "def model_fn(d): return 1\n"
        "def transform_fn(model, body, content_type, accept):\n"
        "    names = ('SAGEMAKER_BATCH', 'SAGEMAKER_MAX_PAYLOAD_IN_MB', 'SAGEMAKER_BATCH_STRATEGY', 'MINE')\n"
        "    return json.dumps([len(body.splitlines()), *(os.environ.get(n) for n in names)]), 'application/json'\n",
    )
    for name in "abc":
        rig.objects.put(f"s3://bucket/batch/{name}", b"1\n2\n")
    create(
        rig,
        ModelName="scripted",
        Environment={"MINE": "yes"},
        MaxPayloadInMB=1,
        BatchStrategy="SingleRecord",
        TransformResources={"InstanceCount": 2},
    )
    job = ended(rig)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    expected = [1, "true", "1", "SINGLE_RECORD", "yes"]
    for name in "abc":
        assert [json.loads(line) for line in rig.objects.get(f"s3://bucket/out/{name}.out").splitlines()] == [expected] * 2
    assert len([stream for stream in rig.streams(GROUP) if not stream.endswith("data-log")]) == 2


SLOW = "import time\ndef model_fn(d): return 1\ndef transform_fn(m, body, c, a):\n    time.sleep(0.2)\n    return body, 'text/csv'\n"


def test_stopping(rig: Rig) -> None:
    script(rig, SLOW)
    rig.objects.put("s3://bucket/batch/a.csv", rows(500))
    create(rig, ModelName="scripted", BatchStrategy="SingleRecord")
    rig.until(lambda: describe(rig), lambda job: "TransformStartTime" in job)
    rig.sagemaker.stop_transform_job(TransformJobName="job")
    rig.sagemaker.list_transform_jobs()
    job = ended(rig)
    assert job["TransformJobStatus"] == "Stopped"
    assert "TransformEndTime" in job
    assert not [key for key in rig.objects.keys("bucket") if key.startswith("out/")]
    rig.until(rig.run_folders, lambda folders: not folders)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        rig.sagemaker.stop_transform_job(TransformJobName="job")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_new_control_goes_on_where_the_last_one_was(rig: Rig) -> None:
    script(rig, SLOW)
    for number in range(8):
        rig.objects.put(f"s3://bucket/batch/{number}", b"1\n")
    create(rig, ModelName="scripted")
    rig.until(lambda: [key for key in rig.objects.keys("bucket") if key.startswith("out/")], bool)
    done = {key: rig.objects.buckets["bucket"].pop(key) for key in rig.objects.keys("bucket") if key.startswith("out/")}
    rig.restart()
    assert ended(rig)["TransformJobStatus"] == "Completed"
    again = {key for key in rig.objects.keys("bucket") if key.startswith("out/")}
    assert not again & set(done), "what was done is not sent twice"
    assert len(again | set(done)) == 8


def test_a_container_that_dies_is_replaced_and_the_work_goes_on(rig: Rig) -> None:
    script(rig, SLOW)
    for number in range(8):
        rig.objects.put(f"s3://bucket/batch/{number}", b"1\n")
    create(rig, ModelName="scripted")
    rig.until(lambda: [key for key in rig.objects.keys("bucket") if key.startswith("out/")], bool)
    started = records.read(rig.run_folders()[0], records.STARTED)
    assert started is not None
    rig.runtime.signal(rig.run_folders()[0], 9)
    job = ended(rig)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert len([key for key in rig.objects.keys("bucket") if key.startswith("out/")]) == 8


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def model_fn(d): raise RuntimeError('no model')\n", "AlgorithmError"),
        ("import os\ndef model_fn(d): return 1\ndef transform_fn(*a): os._exit(3)\n", "AlgorithmError"),
    ],
)
def test_a_container_that_never_works_fails_the_job(rig: Rig, source: str, words: str) -> None:
    script(rig, source)
    rig.objects.put("s3://bucket/batch/a.csv", rows(1))
    create(rig, ModelName="scripted")
    job = ended(rig)
    assert job["TransformJobStatus"] == "Failed"
    assert words in job["FailureReason"]


def test_nothing_to_transform(rig: Rig) -> None:
    create(rig)
    job = ended(rig)
    assert job["TransformJobStatus"] == "Failed"
    assert 'No S3 objects found under S3 URL "s3://bucket/batch/"' in job["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "none"}, "Could not find model"),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB"),
        ({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}, "must be at most 100"),
        ({"DataProcessing": {"InputFilter": "x"}}, "DataProcessing"),
        ({"BatchStrategy": "SingleRecord", "TransformInput": {"SplitType": "None"}}, "SplitType"),
        ({"TransformOutput": {"Accept": "text/csv\r"}}, "[aA]ccept"),
        (
            {
                "DataCaptureConfig": {"DestinationS3Uri": "s3://bucket/c", "GenerateInferenceId": True},
                "TransformOutput": {"Accept": "image/png"},
            },
            "GenerateInferenceId needs",
        ),
        (
            {
                "TransformInput": {
                    "DataSource": {"S3DataSource": {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://bucket/m"}}
                }
            },
            "AugmentedManifestFile is not supported",
        ),
    ],
)
def test_what_is_refused_when_the_job_is_created(rig: Rig, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
        create(rig, **changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_every_action_may_run_twice(tmp_path: Path, runtime: Runtime) -> None:
    with Rig(tmp_path, runtime, twice=True) as rig:
        rig.model()
        rig.objects.put("s3://bucket/batch/a.csv", rows(20))
        create(rig)
        assert ended(rig)["TransformJobStatus"] == "Completed"
        assert len(predictions(rig.objects.get("s3://bucket/out/a.csv.out"))) == 20


def test_capture_writes_manifests_and_ids(rig: Rig) -> None:
    """DG:model-monitor-data-capture-batch: what went in and came out, by the hour of the start; ids and times in the output."""
    for name in ("a.csv", "deep/b.csv"):
        rig.objects.put(f"s3://bucket/batch/{name}", rows(3))
    rig.objects.put("s3://bucket/batch/bad.csv", b"no,number\n")
    create(rig, DataCaptureConfig={"DestinationS3Uri": "s3://bucket/captured/", "GenerateInferenceId": True})
    assert ended(rig)["TransformJobStatus"] == "Failed"
    manifests = {
        key.split("/")[1]: json.loads(rig.objects.get(f"s3://bucket/{key}"))
        for key in rig.objects.keys("bucket")
        if "capt" in key
    }
    assert manifests == {
        "input": [{"prefix": "s3://bucket/batch/"}, "a.csv", "deep/b.csv"],
        "output": [{"prefix": "s3://bucket/out/"}, "a.csv.out", "deep/b.csv.out"],
    }
    lines = [line.split(",") for line in rig.objects.get("s3://bucket/out/a.csv.out").decode().splitlines()]
    assert [round(float(line[0])) for line in lines] == [0, 1, 2]
    assert len({line[1] for line in lines}) == 3
    assert lines[0][2].endswith("Z")


COUNTS = """
def model_fn(folder): return None
def transform_fn(model, body, content_type, accept): return str(len(body)), accept
"""


def test_a_payload_without_limit_goes_in_chunks(rig: Rig) -> None:
    """API CreateTransformJob, MaxPayloadInMB 0: the object is one request, whatever SplitType says of its records."""
    script(rig, COUNTS)
    rig.objects.put("s3://bucket/batch/large", b"x" * (7 << 20))
    create(rig, ModelName="scripted", MaxPayloadInMB=0, TransformInput={"SplitType": "None"})
    job = ended(rig)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert rig.objects.get("s3://bucket/out/large.out") == b"7340032"
