"""Processing jobs through boto3, the real loop and rows; containers and S3 are stand-ins. Once plainly, once with every action twice.

Feature rows C01, C02.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import ROLE, WORLD
from support.processing import INPUT, OUTPUT, ProcessingRig, cluster, processing_job, s3_input, s3_output
from support.training import SKLEARN

from sagewright.compute.runtime import InstanceSpec, Peers
from sagewright.features.processing.plan import COURSE
from sagewright.jobs import steps, synchronised


def below(spec: InstanceSpec, path: str) -> Path:
    return spec.ml / path.removeprefix("/opt/ml/")


def processes(spec: InstanceSpec) -> int:
    """A program that does what a processing container does."""
    data = below(spec, INPUT)
    found = sorted(file.name for file in data.iterdir())
    (below(spec, OUTPUT) / f"{spec.hostname}.txt").write_text(" ".join(found))
    (below(spec, OUTPUT) / "deep").mkdir()
    (below(spec, OUTPUT) / "deep/same").write_text(spec.hostname)
    (spec.folder / "stdout").write_text(f"{spec.hostname} works\nlast line")
    return 0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(steps, "PEERS_GRACE_SECONDS", 0.4)
    monkeypatch.setattr(synchronised, "PUSH_SECONDS", 0.2)
    monkeypatch.setattr(synchronised, "SETTLED_SECONDS", 0.2)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ProcessingRig]:
    with ProcessingRig(tmp_path, twice=request.param) as made:
        yield made


class TestWay:
    def test_from_input_to_output(self, rig: ProcessingRig) -> None:
        """C01, API DescribeProcessingJob: status, times; every output is there at the end, nothing is left on disk."""
        rig.runtime.program = processes
        arn = rig.create()
        job = rig.ended()
        assert job["ProcessingJobStatus"] == "Completed", job
        assert job["ProcessingJobArn"] == arn == f"arn:aws:sagemaker:{WORLD.region}:{WORLD.account}:processing-job/job"
        assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
        assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
        assert "ExitMessage" not in job
        assert rig.objects.keys("bucket") == ["in/a.csv", "out/algo-1.txt", "out/deep/same"]
        assert rig.objects.get("s3://bucket/out/algo-1.txt") == b"a.csv"
        assert rig.lines(job) == ["algo-1 works", "last line"]
        assert len(rig.runtime.started) == 1
        rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)

    def test_what_the_container_sees(self, rig: ProcessingRig) -> None:
        """DG byoc-config, byoc-run-image."""
        application = {"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", "x.py"], "ContainerArguments": ["--a", "1"]}
        rig.create(AppSpecification=application, Environment={"MY": "own", "PYTHONPATH": "/mine"})
        rig.runs()
        spec, config = rig.spec(), rig.folder() / "ml/config"
        found = json.loads((config / "processingjobconfig.json").read_text())
        assert found["ProcessingJobArn"].endswith(":processing-job/job")
        assert found["AppSpecification"] == application
        assert found["ProcessingInputs"][0]["S3Input"]["S3DataDistributionType"] == "FullyReplicated"
        assert found["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
        assert found["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
        assert json.loads((config / "resourceconfig.json").read_text()) == {"current_host": "algo-1", "hosts": ["algo-1"]}
        assert (below(spec, INPUT) / "a.csv").read_bytes() == b"1,2"
        assert below(spec, OUTPUT).is_dir()
        assert spec.argv == ("python3", "x.py", "--a", "1")
        assert {"MY": "own", "AWS_REGION": "us-east-1", "PROCESSING_JOB_NAME": "job"}.items() <= spec.env.items()
        assert spec.env["PYTHONPATH"].split(":")[0] == "/mine"
        caller = rig.keyring.look_up(spec.env["AWS_ACCESS_KEY_ID"], spec.env["AWS_SESSION_TOKEN"], time.time())
        assert caller.arn == f"arn:aws:sts::{WORLD.account}:assumed-role/SageMaker/SageMaker"
        assert (spec.network, spec.limits.cpus, spec.limits.disk) == ("open", 2.0, 5 * 1024**3)

    def test_an_isolated_container_gets_no_keys(self, rig: ProcessingRig) -> None:
        """API NetworkConfig."""
        rig.create(NetworkConfig={"EnableNetworkIsolation": True})
        rig.runs()
        assert rig.spec().network == "isolated"
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} & rig.spec().env.keys()

    def test_a_continuous_output_is_there_while_the_job_runs(self, rig: ProcessingRig) -> None:
        """API ProcessingS3Output: S3UploadMode; what the container deletes stays in S3."""
        rig.create(ProcessingOutputConfig={"Outputs": [s3_output(mode="Continuous")]})
        rig.runs()
        folder = below(rig.spec(), OUTPUT)
        (folder / "early").write_text("1")
        rig.until(lambda: rig.objects.keys("bucket"), lambda keys: "out/early" in keys)
        (folder / "early").unlink()
        (folder / "late").write_text("2")
        rig.runtime.finish(rig.folder(), 1)
        assert rig.ended()["ProcessingJobStatus"] == "Failed"
        assert rig.objects.keys("bucket") == ["in/a.csv", "out/early", "out/late"]

    def test_one_object_and_a_manifest(self, rig: ProcessingRig) -> None:
        """API ProcessingS3Input: S3DataType; a prefix that is one object, as the SDKs send a script."""
        rig.objects.put("s3://bucket/code/x.py", b"print()")
        rig.objects.put("s3://bucket/m.json", json.dumps([{"prefix": "s3://bucket/in/"}, "a.csv"]).encode())
        inputs = [
            s3_input("code", "s3://bucket/code/x.py", "/opt/ml/processing/input/code"),
            s3_input("listed", "s3://bucket/m.json", "/opt/ml/processing/listed", S3DataType="ManifestFile"),
        ]
        rig.create(ProcessingInputs=inputs)
        rig.runs()
        processing = rig.folder() / "ml/processing"
        assert (processing / "input/code/x.py").read_bytes() == b"print()"
        assert (processing / "listed/a.csv").read_bytes() == b"1,2"

    def test_what_the_application_manages_is_left_to_it(self, rig: ProcessingRig) -> None:
        """API ProcessingInput, ProcessingOutput: AppManaged."""
        rig.runtime.program = lambda spec: 0
        managed_input = {**s3_input("data", "s3://nowhere/at/all"), "AppManaged": True}
        managed_output = {**s3_output("out", "s3://nowhere/out"), "AppManaged": True}
        rig.create(ProcessingInputs=[managed_input], ProcessingOutputConfig={"Outputs": [managed_output]})
        assert rig.ended()["ProcessingJobStatus"] == "Completed"

    def test_a_full_machine_makes_jobs_wait(self, tmp_path: Path) -> None:
        with ProcessingRig(tmp_path, slots=1) as rig:
            rig.create("first")
            rig.runs("first")
            rig.create("second")
            assert "ProcessingStartTime" not in rig.describe("second")
            rig.runtime.finish(rig.folder("first"), 0)
            rig.runs("second")
            rig.sagemaker.stop_processing_job(ProcessingJobName="second")
            rig.ended("second")


class TestInstances:
    def test_two_hosts_share_a_network_and_the_data(self, rig: ProcessingRig) -> None:
        """API ProcessingClusterConfig, S3DataDistributionType; of one name in an output the first host's counts."""
        rig.objects.put("s3://bucket/in/b.csv", b"3,4")
        rig.runtime.program = processes
        rig.create(ProcessingResources=cluster(2), ProcessingInputs=[s3_input(S3DataDistributionType="ShardedByS3Key")])
        job = rig.ended()
        assert job["ProcessingJobStatus"] == "Completed", job
        assert rig.objects.get("s3://bucket/out/algo-1.txt") == b"a.csv"
        assert rig.objects.get("s3://bucket/out/algo-2.txt") == b"b.csv"
        assert rig.objects.get("s3://bucket/out/deep/same") == b"algo-1"
        assert sorted(rig.streams(job)) == ["algo-1", "algo-2"]
        network = rig.folder().parent / "network"
        assert [spec.peers for spec in rig.runtime.started] == [Peers(network, ("algo-1", "algo-2"))] * 2
        assert rig.spec(host="algo-2").way_out == ("127.0.0.1", 8400)

    def test_one_that_fails_ends_the_others(self, rig: ProcessingRig) -> None:
        """DG byoc-run-image: the job "fails if any of the containers exits with a non-zero exit code"."""
        rig.create(ProcessingResources=cluster(2))
        rig.runs(hosts=2)
        assert json.loads((rig.folder(host="algo-2") / "ml/config/resourceconfig.json").read_text()) == {
            "current_host": "algo-2",
            "hosts": ["algo-1", "algo-2"],
        }
        (rig.folder(host="algo-2") / "stdout").write_text("ValueError: no such column\n")
        rig.runtime.finish(rig.folder(host="algo-2"), 3)
        job = rig.ended()
        assert job["FailureReason"] == (
            "AlgorithmError: See job logs for more information. The processing container on algo-2 failed, exit code: 3. "
            "Last log lines: ValueError: no such column"
        )
        assert ("algo-1", 15) in rig.runtime.signalled

    def test_messages_of_all_hosts_are_one(self, rig: ProcessingRig) -> None:
        """DG byoc-metadata: "concatenated, then truncated to 1 KB"."""

        def says(spec: InstanceSpec) -> int:
            (spec.ml / "output/message").write_text(spec.hostname * 150)
            return 0

        rig.runtime.program = says
        rig.create(ProcessingResources=cluster(2))
        job = rig.ended()
        assert job["ExitMessage"] == ("algo-1" * 150 + "algo-2" * 150)[:1024]


class TestEnd:
    def test_the_exit_message(self, rig: ProcessingRig) -> None:
        """DG byoc-metadata: in every terminal status."""

        def says(spec: InstanceSpec) -> int:
            (spec.ml / "output/message").write_text("CompletedWithViolations: 2 ä")
            return 0 if spec.key.endswith("well/algo-1") else 1

        rig.runtime.program = says
        rig.create("well")
        rig.create("badly")
        assert (rig.ended("well")["ProcessingJobStatus"], rig.ended("badly")["ProcessingJobStatus"]) == ("Completed", "Failed")
        assert {rig.describe(name)["ExitMessage"] for name in ("well", "badly")} == {"CompletedWithViolations: 2 ä"}

    def test_a_message_that_is_not_text(self, rig: ProcessingRig) -> None:
        """DG byoc-metadata: "the job fails and returns a ClientError"."""

        def says(spec: InstanceSpec) -> int:
            (spec.ml / "output/message").write_bytes(b"\xff\xfe")
            return 0

        rig.runtime.program = says
        rig.create()
        job = rig.ended()
        assert (job["ProcessingJobStatus"], job["FailureReason"]) == (
            "Failed",
            "ClientError: The exit message in /opt/ml/output/message is not UTF-8 encoded.",
        )
        assert rig.objects.keys("bucket") == ["in/a.csv"]

    @pytest.mark.parametrize(
        ("code", "reason", "text"),
        [
            (137, "OutOfMemory", "ClientError: Please use an instance type with more memory"),
            (137, "DiskFull", "ClientError: Please use a larger VolumeSizeInGB"),
            (
                139,
                "",
                "AlgorithmError: See job logs for more information. The processing container was ended by signal SIGSEGV",
            ),
        ],
    )
    def test_how_a_container_ended(self, rig: ProcessingRig, code: int, reason: str, text: str) -> None:
        rig.create()
        rig.runs()
        (below(rig.spec(), OUTPUT) / "half").write_text("x")
        rig.runtime.finish(rig.folder(), code, reason)
        job = rig.ended()
        assert job["FailureReason"].startswith(text), job["FailureReason"]
        assert "out/half" not in rig.objects.keys("bucket")

    def test_a_lost_container_fails_the_job_once_and_clearly(self, rig: ProcessingRig) -> None:
        rig.create()
        rig.runs()
        rig.runtime.lose(rig.folder())
        assert rig.ended()["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
        assert len(rig.runtime.started) == 1

    def test_inputs_that_are_not_there(self, rig: ProcessingRig) -> None:
        """AWS accepts the job and fails it: FailureReason names the location."""
        rig.objects.denied.add("closed")
        rig.objects.buckets["closed"] = {"a": b""}
        for name, uri in (("prefix", "s3://bucket/absent/"), ("bucket", "s3://nowhere/x"), ("denied", "s3://closed/a")):
            rig.create(name, ProcessingInputs=[s3_input(uri=uri)])
            job = rig.ended(name)
            assert job["FailureReason"].startswith("ClientError: "), job
            assert uri in job["FailureReason"]
        assert rig.runtime.started == []

    def test_data_that_cannot_be_files(self, rig: ProcessingRig) -> None:
        rig.objects.put("s3://bucket/in/a.csv/b", b"x")
        rig.create()
        assert rig.ended()["FailureReason"].startswith("ClientError: Data download failed:")

    def test_an_output_bucket_that_is_not_there(self, rig: ProcessingRig) -> None:
        rig.runtime.program = processes
        rig.create(ProcessingOutputConfig={"Outputs": [s3_output(uri="s3://nowhere/out")]})
        assert rig.ended()["FailureReason"] == "ClientError: Artifact upload failed:The bucket nowhere does not exist."

    def test_s3_that_comes_back(self, rig: ProcessingRig) -> None:
        rig.create()
        rig.runs()
        (below(rig.spec(), OUTPUT) / "x").write_text("w")
        rig.objects.away = True
        rig.runtime.finish(rig.folder(), 0)
        rig.until(lambda: rig.folder("job").exists(), bool)
        rig.objects.away = False
        assert rig.ended()["ProcessingJobStatus"] == "Completed"
        assert "out/x" in rig.objects.keys("bucket")

    def test_a_machine_that_refuses_for_a_while(self, rig: ProcessingRig) -> None:
        rig.runtime.refused = {"algo-2"}
        rig.create(ProcessingResources=cluster(2))
        rig.runs()
        rig.runtime.refused = set()
        rig.runs(hosts=2)
        assert len(rig.runtime.started) == 2


class TestStop:
    def test_sigterm_then_sigkill(self, rig: ProcessingRig, monkeypatch: pytest.MonkeyPatch) -> None:
        """API StopProcessingJob; outputs of the end are not brought out."""
        monkeypatch.setattr(rig.feature.controller, "course", replace(COURSE, grace=0.3))
        rig.runtime.ends_on = {9}
        rig.create()
        rig.runs()
        (below(rig.spec(), OUTPUT) / "x").write_text("so far")
        rig.sagemaker.stop_processing_job(ProcessingJobName="job")
        rig.sagemaker.stop_processing_job(ProcessingJobName="job")  # changes nothing
        assert rig.ended()["ProcessingJobStatus"] == "Stopped"
        assert (rig.runtime.signals[0], rig.runtime.signals[-1]) == (15, 9)
        assert rig.objects.keys("bucket") == ["in/a.csv"]
        with pytest.raises(
            botocore.exceptions.ClientError, match="The request was rejected because the processing job is in status Stopped"
        ):
            rig.sagemaker.stop_processing_job(ProcessingJobName="job")

    def test_max_runtime(self, rig: ProcessingRig) -> None:
        """API ProcessingStoppingCondition: "the processing job is stopped"."""
        rig.create(StoppingCondition={"MaxRuntimeInSeconds": 1})
        assert rig.ended()["ProcessingJobStatus"] == "Stopped"
        assert rig.runtime.signals[0] == 15

    def test_an_absent_job(self, rig: ProcessingRig) -> None:
        """client_visible_errors: ProcessingJob."""
        sagemaker = rig.sagemaker
        for call in (sagemaker.stop_processing_job, sagemaker.delete_processing_job, sagemaker.describe_processing_job):
            with pytest.raises(botocore.exceptions.ClientError, match="Could not find requested job") as caught:
                call(ProcessingJobName="absent")
            assert caught.value.response["Error"]["Code"] == "ValidationException"


class TestRestart:
    """A control that dies at any line: the containers ran once, and the job ends as if nothing had happened."""

    def test_while_it_runs(self, rig: ProcessingRig) -> None:
        rig.create()
        rig.runs()
        (rig.folder() / "stdout").write_text("one\n")
        rig.restart()
        with (rig.folder() / "stdout").open("a") as stdout:
            stdout.write("two\n")
        (below(rig.spec(), OUTPUT) / "x").write_text("w")
        rig.runtime.finish(rig.folder(), 0)
        job = rig.ended()
        assert job["ProcessingJobStatus"] == "Completed"
        assert rig.lines(job) == ["one", "two"]
        assert rig.objects.get("s3://bucket/out/x") == b"w"
        assert len(rig.runtime.started) == 1

    def test_often(self, rig: ProcessingRig) -> None:
        rig.runtime.program = processes
        for number in range(5):
            rig.create(f"job-{number}", ProcessingOutputConfig={"Outputs": [s3_output(uri=f"s3://bucket/out-{number}")]})
            rig.restart()
        for number in range(5):
            job = rig.ended(f"job-{number}")
            assert job["ProcessingJobStatus"] == "Completed", job
            assert rig.lines(job) == ["algo-1 works", "last line"]
            assert rig.objects.get(f"s3://bucket/out-{number}/algo-1.txt") == b"a.csv"
        assert len(rig.runtime.started) == 5
        folders = [rig.folder(f"job-{number}") for number in range(5)]
        rig.until(lambda: [folder.exists() for folder in folders], lambda there: not any(there))

    def test_while_the_outputs_go_out(self, rig: ProcessingRig) -> None:
        rig.create()
        rig.runs()
        (below(rig.spec(), OUTPUT) / "x").write_text("w")
        rig.objects.away = True
        rig.runtime.finish(rig.folder(), 0)
        rig.restart()
        rig.objects.away = False
        assert rig.ended()["ProcessingJobStatus"] == "Completed"
        assert "out/x" in rig.objects.keys("bucket")


class TestRecords:
    def test_list_delete_and_create_again(self, rig: ProcessingRig) -> None:
        """API ListProcessingJobs, DeleteProcessingJob."""
        rig.runtime.program = processes
        arn = rig.create()
        with pytest.raises(botocore.exceptions.ClientError, match="a job with this name already exists"):
            rig.create()
        rig.ended()
        summary = rig.sagemaker.list_processing_jobs(StatusEquals="Completed")["ProcessingJobSummaries"][0]
        assert (summary["ProcessingJobName"], summary["ProcessingJobArn"]) == ("job", arn)
        assert summary["ProcessingEndTime"] >= summary["CreationTime"]
        rig.sagemaker.delete_processing_job(ProcessingJobName="job")
        rig.until(lambda: rig.sagemaker.list_processing_jobs()["ProcessingJobSummaries"], lambda found: not found)
        assert rig.create() == arn
        rig.ended()

    def test_a_job_that_runs_cannot_be_deleted(self, rig: ProcessingRig) -> None:
        rig.create()
        with pytest.raises(botocore.exceptions.ClientError, match="ResourceInUse"):
            rig.sagemaker.delete_processing_job(ProcessingJobName="job")

    def test_the_first_describe_waits_for_the_end(self, tmp_path: Path) -> None:
        with ProcessingRig(tmp_path, hold=15.0) as rig:
            rig.runtime.program = processes
            rig.create()
            assert rig.describe()["ProcessingJobStatus"] == "Completed"


def application(**changes: Any) -> dict[str, Any]:
    return {"AppSpecification": {"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3"], **changes}}


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"AppSpecification": {"ImageUri": SKLEARN}}, "ContainerEntrypoint"),
            (
                application(ImageUri="123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"),
                "Cannot find repository: mine in registry ID",
            ),
            (
                application(ImageUri="763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-inference:1.9.0-cpu-py38"),
                "cannot be run here",
            ),
            (application(ContainerArguments=["a\0b"]), "NUL"),
            ({"ProcessingInputs": [s3_input(path="/opt/ml/model")]}, "below /opt/ml/processing/"),
            ({"ProcessingInputs": [s3_input(path="/opt/ml/processing/../x")]}, "below /opt/ml/processing/"),
            ({"ProcessingInputs": [s3_input(), s3_input()]}, "InputName in ProcessingInputs must be unique"),
            ({"ProcessingInputs": [s3_input(), s3_input("b")]}, "LocalPath in ProcessingInputs must be unique"),
            ({"ProcessingInputs": [{"InputName": "a"}]}, "exactly one of S3Input and DatasetDefinition"),
            ({"ProcessingInputs": [s3_input(S3CompressionType="Gzip")]}, "Gzip can only be used if Pipe mode"),
            ({"ProcessingOutputConfig": {"Outputs": [s3_output(path="/tmp")]}}, "below /opt/ml/processing/"),
            (
                {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "f", "FeatureStoreOutput": {"FeatureGroupName": "g"}}]}},
                "FeatureStoreOutput is not supported",
            ),
        ],
    )
    def test_what_is_wrong_is_said_at_once(self, tmp_path: Path, changes: dict[str, Any], text: str) -> None:
        with ProcessingRig(tmp_path) as rig:
            with pytest.raises(botocore.exceptions.ClientError, match=text) as caught:
                rig.sagemaker.create_processing_job(**{**processing_job(), **changes})
            assert caught.value.response["Error"]["Code"] == "ValidationException"
            assert rig.sagemaker.list_processing_jobs()["ProcessingJobSummaries"] == []

    def test_too_many_instances(self, tmp_path: Path) -> None:
        with (
            ProcessingRig(tmp_path) as rig,
            pytest.raises(
                botocore.exceptions.ClientError, match=r"'ml.m5.large for processing job usage' is 32 Instances"
            ) as caught,
        ):
            rig.create(ProcessingResources=cluster(33))
        assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"

    def test_a_role_that_does_not_exist_or_trusts_others(self, tmp_path: Path) -> None:
        """AWS: "Could not assume role …"; a role that nobody created exists here once it is used."""
        with ProcessingRig(tmp_path) as rig:
            trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
            trust["Statement"][0]["Action"] = "sts:AssumeRole"  # type: ignore[index]
            other = rig.iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
            gone = rig.iam.create_role(RoleName="gone", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
            rig.iam.delete_role(RoleName="gone")
            for role in (other, gone):
                with pytest.raises(botocore.exceptions.ClientError, match=f"Could not assume role {role}. Please ensure"):
                    rig.create(RoleArn=role)
            rig.create(RoleArn=ROLE)


def test_links_out_of_the_container_are_never_followed(rig: ProcessingRig, tmp_path: Path) -> None:
    """DG byoc-input-and-output: symbolic links are not uploaded."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/message").write_text("secret")

    def evil(spec: InstanceSpec) -> int:
        (below(spec, OUTPUT) / "file").symlink_to(tmp_path / "secret/message")
        (below(spec, OUTPUT) / "folder").symlink_to(tmp_path / "secret")
        (spec.ml / "output").rename(spec.folder / "old")
        (spec.ml / "output").symlink_to(tmp_path / "secret")
        return 0

    rig.runtime.program = evil
    rig.create()
    job = rig.ended()
    assert (job["ProcessingJobStatus"], job.get("ExitMessage")) == ("Completed", None)
    assert rig.objects.keys("bucket") == ["in/a.csv"]
