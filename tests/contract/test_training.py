"""Training jobs through boto3, the real loop and rows; containers and S3 are stand-ins. Once plainly, once with every action twice."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import ROLE, WORLD
from support.training import SKLEARN, XGBOOST, FakeRig, request, statuses

from sagewright.compute.runtime import InstanceSpec
from sagewright.jobs import steps, synchronised
from sagewright.signals import scrape
from sagewright.wire.credentials import assumed_role_arn


def trains(spec: InstanceSpec) -> int:
    """A program that does what a training container does."""
    (spec.ml / "model" / "weights").write_text((spec.ml / "input/data/train/a.csv").read_text())
    (spec.ml / "output/data/report").write_text("report")
    (spec.folder / "stdout").write_text("epoch 1\tloss=0.5\nepoch 2\tloss=0.25\nlast line")
    return 0


def fails(spec: InstanceSpec) -> int:
    (spec.ml / "model" / "weights").write_text("half")
    (spec.ml / "output/data/report").write_text("report")
    (spec.ml / "output/failure").write_text("the column is bad")
    return 1


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(synchronised, "PUSH_SECONDS", 0.2)
    monkeypatch.setattr(synchronised, "SETTLED_SECONDS", 0.2)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FakeRig]:
    with FakeRig(tmp_path, twice=request.param) as made:
        yield made


class TestWay:
    def test_from_data_to_model(self, rig: FakeRig) -> None:
        """G01, API DescribeTrainingJob: statuses, times, artefacts; the container started exactly once."""
        rig.runtime.program = trains
        arn = rig.create()
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Completed", job
        assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/job/output/model.tar.gz"
        assert rig.objects.keys("bucket") == ["out/job/output/model.tar.gz", "out/job/output/output.tar.gz", "train/a.csv"]
        with tarfile.open(fileobj=io.BytesIO(rig.objects.get("s3://bucket/out/job/output/model.tar.gz"))) as tar:
            assert tar.getnames() == ["weights"]
        assert job["TrainingJobArn"] == arn
        assert job["TrainingStartTime"] <= job["TrainingEndTime"]
        assert job["BillableTimeInSeconds"] >= 1
        assert job["OutputDataConfig"]["KmsKeyId"] == ""
        assert [spec.key for spec in rig.runtime.started] == [f"training-job/{WORLD.account}/{WORLD.region}/job/algo-1"]
        rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)

    def test_what_the_container_sees(self, rig: FakeRig) -> None:
        """DG your-algorithms-training-algo-running-container, …-envvariables."""
        rig.objects.put("s3://bucket/code.tar.gz", b"code")
        rig.create(
            HyperParameters={"sagemaker_submit_directory": '"s3://bucket/code.tar.gz"', "depth": "3"}, Environment={"MY": "own"}
        )
        rig.reach("Training", member="SecondaryStatus")
        spec, config = rig.spec(), rig.folder() / "ml/input/config"
        assert json.loads((config / "hyperparameters.json").read_text())["depth"] == "3"
        assert json.loads((config / "inputdataconfig.json").read_text()) == {
            "train": {
                "ContentType": "text/csv",
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
        }
        resources = json.loads((config / "resourceconfig.json").read_text())
        assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1"])
        assert (config / "sourcedir.tar.gz").read_bytes() == b"code"
        assert (rig.folder() / "ml/input/data/train/a.csv").read_bytes() == b"1,2"
        assert {"TRAINING_JOB_NAME": "job", "MY": "own", "AWS_REGION": "us-east-1"}.items() <= spec.env.items()
        assert spec.env["TRAINING_JOB_ARN"].endswith(":training-job/job")
        assert spec.argv[1:] == ("-m", "sagewright_container", "train")
        caller = rig.keyring.look_up(spec.env["AWS_ACCESS_KEY_ID"], spec.env["AWS_SESSION_TOKEN"], time.time())
        assert (caller.secret, caller.arn) == (
            spec.env["AWS_SECRET_ACCESS_KEY"],
            f"arn:aws:sts::{WORLD.account}:assumed-role/SageMaker/SageMaker",
        )
        assert (spec.network, spec.limits.cpus, spec.limits.disk) == ("open", 2.0, 5 * 1024**3)

    def test_an_isolated_container_gets_no_keys(self, rig: FakeRig) -> None:
        """API EnableNetworkIsolation."""
        rig.create(EnableNetworkIsolation=True)
        rig.reach("Training", member="SecondaryStatus")
        assert rig.spec().network == "isolated"
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} & rig.spec().env.keys()

    def test_an_entrypoint_of_ones_own(self, rig: FakeRig) -> None:
        """API AlgorithmSpecification: ContainerEntrypoint, ContainerArguments, as SDK v3 sends them."""
        algorithm = {
            "TrainingImage": SKLEARN,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash"],
            "ContainerArguments": ["-c", "chmod +x x.sh && ./x.sh"],
        }
        rig.create(AlgorithmSpecification=algorithm)
        rig.reach("Training", member="SecondaryStatus")
        assert rig.spec().argv == ("/bin/bash", "-c", "chmod +x x.sh && ./x.sh")

    def test_an_uncompressed_model(self, rig: FakeRig) -> None:
        rig.runtime.program = trains
        rig.create(OutputDataConfig={"S3OutputPath": "s3://bucket/out/", "CompressionType": "NONE"})
        assert rig.ended()["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/job/output/model/"
        assert rig.objects.get("s3://bucket/out/job/output/model/weights") == b"1,2"
        assert rig.objects.get("s3://bucket/out/job/output/data/report") == b"report"

    def test_a_full_machine_makes_jobs_wait(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, slots=1) as rig:
            rig.create("first")
            rig.reach("Training", name="first", member="SecondaryStatus")
            rig.create("second")
            waiting = rig.until(
                lambda: rig.describe("second"), lambda job: "Waiting" in job["SecondaryStatusTransitions"][-1]["StatusMessage"]
            )
            assert waiting["SecondaryStatus"] == "Starting"
            rig.runtime.finish(rig.folder("first"), 0)
            rig.reach("Training", name="second", member="SecondaryStatus")
            rig.sagemaker.stop_training_job(TrainingJobName="second")
            rig.ended("second")

    def test_a_gpu_type_says_that_there_is_none(self, rig: FakeRig) -> None:
        rig.create(ResourceConfig={"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
        job = rig.reach("Training", member="SecondaryStatus")
        assert "runs on CPU" in job["SecondaryStatusTransitions"][-1]["StatusMessage"]
        rig.until(lambda: rig.lines(job), lambda lines: lines and "runs on CPU" in lines[0])


class TestFailure:
    def test_the_failure_file_is_the_reason(self, rig: FakeRig) -> None:
        """DG your-algorithms-training-algo-output; the output data of a failed job is kept, its model is not."""
        rig.runtime.program = fails
        rig.create()
        job = rig.ended()
        assert job["FailureReason"] == "AlgorithmError: the column is bad, exit code: 1"
        assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
        assert rig.objects.keys("bucket") == ["out/job/output/output.tar.gz", "train/a.csv"]

    def test_a_lost_container_fails_the_job_once_and_clearly(self, rig: FakeRig) -> None:
        rig.create()
        rig.reach("Training", member="SecondaryStatus")
        rig.runtime.lose(rig.folder())
        job = rig.ended()
        assert job["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
        assert len(rig.runtime.started) == 1

    def test_data_that_cannot_be_files(self, rig: FakeRig) -> None:
        rig.objects.put("s3://bucket/train/a.csv/b", b"x")
        rig.create()
        job = rig.ended()
        assert job["FailureReason"].startswith("ClientError: Data download failed:")
        assert statuses(job) == ["Starting", "Downloading", "Failed"]
        assert rig.runtime.started == []

    def test_an_output_bucket_that_is_not_there(self, rig: FakeRig) -> None:
        rig.runtime.program = trains
        rig.create(OutputDataConfig={"S3OutputPath": "s3://nowhere/out"})
        assert rig.ended()["FailureReason"] == "ClientError: Artifact upload failed:The bucket nowhere does not exist."

    def test_s3_that_comes_back(self, rig: FakeRig) -> None:
        rig.create()
        rig.reach("Training", member="SecondaryStatus")
        (rig.folder() / "ml/model/weights").write_text("w")
        rig.objects.away = True
        rig.runtime.finish(rig.folder(), 0)
        rig.until(rig.describe, lambda job: "cannot be reached" in job["SecondaryStatusTransitions"][-1]["StatusMessage"])
        rig.objects.away = False
        assert rig.ended()["TrainingJobStatus"] == "Completed"
        assert "out/job/output/model.tar.gz" in rig.objects.keys("bucket")

    def test_a_machine_that_refuses_for_a_while(self, rig: FakeRig) -> None:
        rig.runtime.refusal = OSError(11, "no more processes")
        rig.create()
        rig.until(rig.describe, lambda job: "Trying again" in job["SecondaryStatusTransitions"][-1]["StatusMessage"])
        rig.runtime.refusal = None
        rig.reach("Training", member="SecondaryStatus")
        assert len(rig.runtime.started) == 1

    def test_a_machine_that_refuses_for_good(self, rig: FakeRig) -> None:
        rig.runtime.refusal = OSError(11, "no more processes")
        rig.create()
        assert rig.ended()["FailureReason"].startswith("InternalServerError: We encountered an internal error.")


class TestStop:
    def test_sigterm_and_the_model_is_kept(self, rig: FakeRig) -> None:
        """API StopTrainingJob."""
        rig.create()
        rig.reach("Training", member="SecondaryStatus")
        (rig.folder() / "ml/model/weights").write_text("so far")
        rig.sagemaker.stop_training_job(TrainingJobName="job")
        job = rig.ended()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
        assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
        assert rig.runtime.signals[0] == 15
        assert "out/job/output/model.tar.gz" in rig.objects.keys("bucket")
        with pytest.raises(
            botocore.exceptions.ClientError, match="The request was rejected because the training job is in status Stopped"
        ):
            rig.sagemaker.stop_training_job(TrainingJobName="job")

    def test_stop_twice_changes_nothing(self, rig: FakeRig) -> None:
        rig.runtime.ends_on = set()
        rig.create()
        rig.reach("Training", member="SecondaryStatus")
        rig.sagemaker.stop_training_job(TrainingJobName="job")
        rig.sagemaker.stop_training_job(TrainingJobName="job")
        assert rig.describe()["TrainingJobStatus"] == "Stopping"
        rig.runtime.finish(rig.folder(), 0)
        assert rig.ended()["TrainingJobStatus"] == "Stopped"

    def test_max_runtime(self, rig: FakeRig) -> None:
        """API StoppingCondition."""
        rig.create(StoppingCondition={"MaxRuntimeInSeconds": 1})
        job = rig.ended()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
        assert rig.runtime.signals[0] == 15

    def test_an_absent_job(self, rig: FakeRig) -> None:
        for call in (rig.sagemaker.stop_training_job, rig.sagemaker.delete_training_job, rig.sagemaker.describe_training_job):
            with pytest.raises(botocore.exceptions.ClientError, match="Requested resource not found") as caught:
                call(TrainingJobName="absent")
            assert caught.value.response["Error"]["Code"] == "ValidationException"


class TestRestart:
    """A control that dies at any line: the container ran once, and the job ends as if nothing had happened."""

    def test_while_it_runs(self, rig: FakeRig) -> None:
        rig.create()
        rig.reach("Training", member="SecondaryStatus")
        (rig.folder() / "stdout").write_text("one\n")
        rig.restart()
        with (rig.folder() / "stdout").open("a") as stdout:
            stdout.write("two\n")
        (rig.folder() / "ml/model/weights").write_text("w")
        rig.runtime.finish(rig.folder(), 0)
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Completed"
        assert rig.lines(job) == ["one", "two"]
        assert len(rig.runtime.started) == 1

    def test_while_s3_is_away_in_any_phase(self, rig: FakeRig) -> None:
        rig.create("download")
        rig.reach("Training", name="download", member="SecondaryStatus")
        (rig.folder("download") / "ml/model/weights").write_text("w")
        rig.objects.away = True
        rig.runtime.finish(rig.folder("download"), 0)
        rig.reach("Uploading", name="download", member="SecondaryStatus")
        rig.restart()
        rig.objects.away = False
        assert rig.ended("download")["TrainingJobStatus"] == "Completed"
        assert "out/download/output/model.tar.gz" in rig.objects.keys("bucket")

    def test_often(self, rig: FakeRig) -> None:
        rig.runtime.program = trains
        for number in range(5):
            rig.create(f"job-{number}")
            rig.restart()
        for number in range(5):
            job = rig.ended(f"job-{number}")
            assert job["TrainingJobStatus"] == "Completed", job
            assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
            assert rig.lines(job) == ["epoch 1#011loss=0.5", "epoch 2#011loss=0.25", "last line"]
        assert len(rig.runtime.started) == 5

    def test_a_reset_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, slots=1) as rig:
            rig.create()
            rig.reach("Training", member="SecondaryStatus")
            rig.harness.run(rig.loop.close())
            rig.harness.run(rig.training.reset())
            rig.runtime.remove(rig.folder())
            rig.harness.run(rig.harness.parts.store.empty())
            rig.harness.run(rig.loop.start())
            rig.create("next")
            rig.reach("Training", name="next", member="SecondaryStatus")


class TestSignals:
    def test_lines_and_metrics_are_there_when_the_job_ends(self, rig: FakeRig) -> None:
        """clients.md 5, DG training-metrics; every line once."""
        rig.runtime.program = trains
        algorithm = {
            "TrainingImage": SKLEARN,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "#011loss=([0-9.]+)"}, {"Name": "none", "Regex": "no=([0-9.]+)"}],
        }
        rig.create(AlgorithmSpecification=algorithm)
        job = rig.ended()
        assert rig.lines(job) == ["epoch 1#011loss=0.5", "epoch 2#011loss=0.25", "last line"]
        assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("loss", 0.25)]

    def test_a_metric_that_takes_for_ever_is_given_up(self, rig: FakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scrape, "BATCH_SECONDS", 0.5)
        monkeypatch.setattr(scrape, "PATTERN_SECONDS", 0.5)

        def evil(spec: InstanceSpec) -> int:
            (spec.folder / "stdout").write_text("a" * 60 + "!\nloss=1\n")
            return 0

        rig.runtime.program = evil
        definitions = [{"Name": "bad", "Regex": "(a+)+$"}, {"Name": "loss", "Regex": "loss=([0-9]+)"}]
        rig.create(
            AlgorithmSpecification={"TrainingImage": SKLEARN, "TrainingInputMode": "File", "MetricDefinitions": definitions}
        )
        job = rig.ended()
        assert [metric["MetricName"] for metric in job["FinalMetricDataList"]] == ["loss"]
        assert "metric definition bad takes too long" in rig.lines(job)[-1]

    def test_checkpoints_go_both_ways(self, rig: FakeRig) -> None:
        """DG model-checkpoints."""
        rig.objects.put("s3://bucket/ck/1.pt", b"one")
        rig.create(CheckpointConfig={"S3Uri": "s3://bucket/ck"})
        rig.reach("Training", member="SecondaryStatus")
        folder = rig.folder() / "ml/checkpoints"
        assert (folder / "1.pt").read_bytes() == b"one"
        (folder / "2.pt").write_bytes(b"two")
        rig.until(lambda: rig.objects.keys("bucket"), lambda keys: "ck/2.pt" in keys)
        (folder / "1.pt").unlink()
        rig.runtime.finish(rig.folder(), 0)
        rig.ended()
        assert [key for key in rig.objects.keys("bucket") if key.startswith("ck")] == ["ck/2.pt"]

    def test_intermediate_files_go_up_while_it_runs(self, rig: FakeRig) -> None:
        """G02: where RLEstimator asks for it (``sagemaker_s3_output``); what the script deletes stays in S3."""
        rig.create(HyperParameters={"sagemaker_s3_output": '"s3://bucket/out/"'})
        rig.reach("Training", member="SecondaryStatus")
        folder = rig.folder() / "ml/output/intermediate"
        (folder / "gifs").mkdir()
        (folder / "gifs/1.gif").write_bytes(b"one")
        rig.until(lambda: rig.objects.keys("bucket"), lambda keys: "out/job/output/intermediate/gifs/1.gif" in keys)
        (folder / "gifs/1.gif").unlink()
        (folder / "state.json").write_text("{}")
        rig.runtime.finish(rig.folder(), 0)
        rig.ended()
        below = "out/job/output/intermediate/"
        assert [key for key in rig.objects.keys("bucket") if key.startswith(below)] == [
            f"{below}gifs/1.gif",
            f"{below}state.json",
        ]

    def test_intermediate_files_stay_where_nobody_asked(self, rig: FakeRig) -> None:
        rig.create()
        rig.reach("Training", member="SecondaryStatus")
        (rig.folder() / "ml/output/intermediate/state.json").write_text("{}")
        rig.runtime.finish(rig.folder(), 0)
        rig.ended()
        assert not [key for key in rig.objects.keys("bucket") if "intermediate" in key]

    def test_links_out_of_the_container_are_never_followed(self, rig: FakeRig, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/failure").write_text("secret")
        (tmp_path / "secret/data").mkdir()
        (tmp_path / "secret/data/key").write_text("secret")

        def evil(spec: InstanceSpec) -> int:
            for name in ("output", "model"):
                (spec.ml / name).rename(spec.folder / f"old-{name}")
                (spec.ml / name).symlink_to(tmp_path / "secret")
            return 1

        rig.runtime.program = evil
        rig.create()
        assert "secret" not in rig.ended()["FailureReason"]
        assert rig.objects.keys("bucket") == ["train/a.csv"]
        assert (tmp_path / "secret/data/key").exists()


class TestDelete:
    def test_a_job_that_has_ended(self, rig: FakeRig) -> None:
        rig.runtime.program = trains
        arn = rig.create(Tags=[{"Key": "a", "Value": "b"}])
        rig.ended()
        rig.sagemaker.delete_training_job(TrainingJobName="job")

        def gone() -> bool:
            try:
                rig.describe()
            except botocore.exceptions.ClientError as error:
                return "Requested resource not found" in str(error)
            return False

        rig.until(gone, bool)
        assert rig.create(Tags=[{"Key": "c", "Value": "d"}]) == arn
        assert rig.ended()["TrainingJobStatus"] == "Completed"
        assert rig.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
        assert len(rig.runtime.started) == 2

    def test_a_job_that_runs(self, rig: FakeRig) -> None:
        rig.create()
        with pytest.raises(botocore.exceptions.ClientError, match="ResourceInUse"):
            rig.sagemaker.delete_training_job(TrainingJobName="job")


class TestUpdate:
    def test_what_could_be_updated_is_not_there(self, rig: FakeRig) -> None:
        """API UpdateTrainingJob: profiler and remote debugging. (The warm pool: test_training_capacity.py.)"""
        arn = rig.create()
        assert rig.sagemaker.update_training_job(TrainingJobName="job")["TrainingJobArn"] == arn
        with pytest.raises(botocore.exceptions.ClientError, match="ProfilerConfig of a training job is not supported"):
            rig.sagemaker.update_training_job(TrainingJobName="job", ProfilerConfig={"DisableProfiler": True})


class TestDescribe:
    def test_the_first_look_is_held_until_the_job_has_ended(self, tmp_path: Path) -> None:
        """clients.md 0.10: the SDKs look again only after 5 to 30 seconds."""
        with FakeRig(tmp_path, hold=20.0) as rig:
            rig.runtime.program = trains
            rig.create()
            assert rig.describe()["TrainingJobStatus"] == "Completed"

    def test_only_the_first_and_only_as_long_as_set(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, hold=0.3) as rig:
            rig.create()
            began = time.monotonic()
            assert rig.describe()["TrainingJobStatus"] == "InProgress"
            assert time.monotonic() - began >= 0.3
            began = time.monotonic()
            rig.describe()
            assert time.monotonic() - began < 0.3

    def test_a_job_that_looks_at_itself_does_not_wait_for_its_own_end(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, hold=20.0) as rig:
            rig.create()
            itself = rig.harness.client("sagemaker", arn=assumed_role_arn(ROLE, "SageMaker"))
            began = time.monotonic()
            assert itself.describe_training_job(TrainingJobName="job")["TrainingJobStatus"] == "InProgress"
            assert time.monotonic() - began < 10.0

    def test_lists(self, rig: FakeRig) -> None:
        rig.runtime.program = trains
        rig.create("one")
        rig.ended("one")
        rig.runtime.program = fails
        rig.create("two")
        rig.ended("two")
        found = rig.sagemaker.list_training_jobs(StatusEquals="Failed")["TrainingJobSummaries"]
        assert [(job["TrainingJobName"], job["TrainingJobStatus"]) for job in found] == [("two", "Failed")]
        assert found[0]["TrainingEndTime"] >= found[0]["CreationTime"]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRig]:
    """For requests that leave nothing behind."""
    with FakeRig(tmp_path_factory.mktemp("strict")) as made:
        yield made


NO_OBJECTS = (
    'No S3 objects found under S3 URL "s3://bucket/none" given in input data source. Please ensure that the bucket exists in '
    f'the selected region (us-east-1), that objects exist under that S3 prefix, and that the role "{ROLE}" has '
    '"s3:ListBucket" permissions on bucket "bucket".'
)


def channel(**changes: Any) -> list[dict[str, Any]]:
    return [{**request()["InputDataConfig"][0], **changes}]


def source(**changes: Any) -> list[dict[str, Any]]:
    return channel(DataSource={"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/", **changes}})


def algorithm(**changes: Any) -> dict[str, Any]:
    return {"TrainingImage": SKLEARN, "TrainingInputMode": "File", **changes}


def resources(**changes: Any) -> dict[str, Any]:
    return {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5, **changes}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"InputDataConfig": source(S3Uri="s3://bucket/none")}, NO_OBJECTS),
        ({"InputDataConfig": source(S3Uri="s3://x")}, "is not a valid S3 location"),
        ({"InputDataConfig": channel() + channel()}, "must be unique"),
        ({"InputDataConfig": channel(ChannelName="..")}, "cannot be that of a folder"),
        (
            {"InputDataConfig": channel(CompressionType="Gzip")},
            "Invalid compression type for channel train: File mode only supports NONE, got Gzip instead",
        ),
        ({"InputDataConfig": channel(RecordWrapperType="RecordIO")}, "File mode only supports NONE, got RecordIO instead"),
        ({"InputDataConfig": channel(RecordWrapperType="RecordIO", InputMode="FastFile")}, "FastFile mode only supports NONE"),
        (
            {"InputDataConfig": source(S3DataType="AugmentedManifestFile", AttributeNames=["a"])},
            "AugmentedManifestFile can only be used if the Channel's input mode is Pipe",
        ),
        ({"InputDataConfig": source(AttributeNames=["a"])}, "only allowed with, the S3DataType AugmentedManifestFile"),
        (
            {
                "InputDataConfig": source(S3DataType="ManifestFile"),
                "AlgorithmSpecification": algorithm(TrainingInputMode="FastFile"),
            },
            "supports S3DataType S3Prefix only",
        ),
        (
            {"InputDataConfig": channel(InputMode="Pipe") + channel(ChannelName="train_0")},
            "is that of a pipe of the channel train",
        ),
        (
            {
                "InputDataConfig": channel(
                    DataSource={
                        "FileSystemDataSource": {
                            "FileSystemId": "fs-0123456789",
                            "FileSystemAccessMode": "ro",
                            "FileSystemType": "EFS",
                            "DirectoryPath": "/x",
                        }
                    }
                )
            },
            "VpcConfig is required for a FileSystemDataSource",
        ),
        ({"AlgorithmSpecification": algorithm(AlgorithmName="a")}, "exactly one of TrainingImage and AlgorithmName"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "exactly one of TrainingImage and AlgorithmName"),
        ({"AlgorithmSpecification": algorithm(TrainingImage="mine:1")}, "cannot be run here"),
        (
            {"AlgorithmSpecification": algorithm(TrainingImage="localhost/mine:1")},
            "Cannot find repository: mine in registry ID",
        ),
        (
            {"AlgorithmSpecification": algorithm(TrainingImage=XGBOOST, MetricDefinitions=[{"Name": "a", "Regex": "b"}])},
            "You can't override the metric definitions for Amazon SageMaker algorithms",
        ),
        ({"ResourceConfig": {"VolumeSizeInGB": 5}}, "InstanceType and InstanceCount are required"),
        (
            {"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/model"}},
            "LocalPath '/opt/ml/model' is reserved",
        ),
        ({"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/../x"}}, "is reserved or not an absolute path"),
        ({"DebugRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}]}, "rules are not evaluated"),
    ],
)
def test_what_create_refuses(changes: dict[str, Any], text: str, strict: FakeRig) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        strict.create(**changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert text in caught.value.response["Error"]["Message"]
    assert strict.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    with FakeRig(tmp_path) as rig:
        rig.create()
        with pytest.raises(botocore.exceptions.ClientError, match="already exists") as caught:
            rig.create()
        assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_built_in_algorithm_brings_its_metrics(tmp_path: Path) -> None:
    """DG training-metrics: the definitions of a built-in algorithm are shown and used."""

    def boosts(spec: InstanceSpec) -> int:
        (spec.folder / "stdout").write_text("[0]\ttrain-auc:0.5\tvalidation-auc:0.75\n")
        return 0

    with FakeRig(tmp_path) as rig:
        rig.runtime.program = boosts
        rig.create(AlgorithmSpecification=algorithm(TrainingImage=XGBOOST))
        job = rig.ended()
        assert "validation:auc" in {item["Name"] for item in job["AlgorithmSpecification"]["MetricDefinitions"]}
        assert {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}["validation:auc"] == 0.75
