"""Training jobs of several instances through boto3, the real loop and rows; containers and S3 are stand-ins. Once plainly, once with every action twice.

Feature rows G01, G08, G11.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from support.training import LDA, SKLEARN, XGBOOST, FakeRig, statuses

from sagewright.compute.runtime import InstanceSpec, Peers
from sagewright.jobs import steps, synchronised

TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
GROUPS = {
    "InstanceGroups": [
        {"InstanceGroupName": "feed", "InstanceType": "ml.c5.xlarge", "InstanceCount": 2},
        {"InstanceGroupName": "fit", "InstanceType": "ml.m5.large", "InstanceCount": 1},
    ],
    "VolumeSizeInGB": 5,
}
HOSTS = ("algo-1", "algo-2")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(steps, "PEERS_GRACE_SECONDS", 0.4)
    monkeypatch.setattr(synchronised, "PUSH_SECONDS", 0.2)
    monkeypatch.setattr(synchronised, "SETTLED_SECONDS", 0.2)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FakeRig]:
    with FakeRig(tmp_path, twice=request.param) as made:
        yield made


def trains(spec: InstanceSpec) -> int:
    """What a container of a distributed job does."""
    data = sorted(path.name for path in (spec.ml / "input/data/train").iterdir())
    (spec.ml / "model" / f"shard-{spec.hostname}").write_text(" ".join(data))
    (spec.ml / "model" / "same").write_text(spec.hostname)
    (spec.ml / "output/data" / spec.hostname).write_text("report")
    loss = 0.5 / int(spec.hostname.removeprefix("algo-"))
    (spec.folder / "stdout").write_text(f"{spec.hostname} loss={loss}\n")
    return 0


def channel(name: str, uri: str, **source: Any) -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **source}}}


def config(rig: FakeRig, name: str, host: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((rig.folder("job", host) / "ml/input/config" / name).read_text())
    return document


def fail(rig: FakeRig, host: str, text: str, when: float, code: int = 1) -> None:
    """The container of this host writes its failure file at that time and ends."""
    file = rig.folder("job", host) / "ml/output/failure"
    file.write_text(text)
    os.utime(file, (when, when))
    rig.runtime.finish(rig.folder("job", host), code)


def archive(rig: FakeRig, uri: str) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(rig.objects.get(uri))) as tar:
        return {name: (tar.extractfile(name) or io.BytesIO()).read().decode() for name in tar.getnames()}


class TestWay:
    def test_from_data_to_model(self, rig: FakeRig) -> None:
        """DG your-algorithms-training-algo-output: one archive of all; DG logging-cloudwatch: a stream each; DG training-metrics."""
        for number in range(3):
            rig.objects.put(f"s3://bucket/train/{number}.csv", b"x")
        rig.runtime.program = trains
        rig.create(
            ResourceConfig=TWO,
            InputDataConfig=[channel("train", "s3://bucket/train/", S3DataDistributionType="ShardedByS3Key")],
            AlgorithmSpecification={
                "TrainingImage": SKLEARN,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
        )
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Completed", job
        assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert archive(rig, "s3://bucket/out/job/output/model.tar.gz") == {
            "same": "algo-1",
            "shard-algo-1": "0.csv 2.csv",
            "shard-algo-2": "1.csv a.csv",
        }
        assert archive(rig, "s3://bucket/out/job/output/output.tar.gz").keys() == set(HOSTS)
        assert [rig.lines(job, host) for host in HOSTS] == [["algo-1 loss=0.5"], ["algo-2 loss=0.25"]]
        (metric,) = job["FinalMetricDataList"]
        assert (metric["MetricName"], metric["Value"] in (0.5, 0.25)) == ("loss", True)
        assert sorted(spec.key.rpartition("/")[2] for spec in rig.runtime.started) == list(HOSTS), "each once"
        rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)

    def test_what_the_containers_see(self, rig: FakeRig) -> None:
        """DG your-algorithms-training-algo-running-container, resourceconfig.json."""
        rig.create(ResourceConfig={**TWO, "InstanceCount": 10})
        rig.reach("Training", member="SecondaryStatus")
        names = sorted(f"algo-{number}" for number in range(1, 11))
        assert names[:3] == ["algo-1", "algo-10", "algo-2"], "hosts are sorted as text"
        for host in ("algo-1", "algo-10"):
            assert config(rig, "resourceconfig.json", host) == {
                "current_host": host,
                "current_instance_type": "ml.m5.large",
                "current_group_name": "homogeneousCluster",
                "hosts": names,
                "instance_groups": [
                    {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": names}
                ],
                "network_interface_name": "eth0",
            }
            assert (rig.folder("job", host) / "ml/input/data/train/a.csv").read_bytes() == b"1,2", "fully replicated"

    @pytest.mark.parametrize("isolated", [False, True])
    def test_their_network(self, rig: FakeRig, isolated: bool) -> None:
        """API EnableNetworkIsolation: calls between peers, and no other; without it the server is at their own loopback."""
        rig.create(ResourceConfig=TWO, EnableNetworkIsolation=isolated)
        rig.reach("Training", member="SecondaryStatus")
        for host in HOSTS:
            spec = rig.spec(host=host)
            assert (spec.network, spec.hostname) == ("isolated", host)
            assert spec.peers == Peers(rig.folder("job", "network"), HOSTS)
            assert spec.way_out == (None if isolated else ("127.0.0.1", 8400))
            assert spec.env.get("AWS_ENDPOINT_URL") == (None if isolated else "http://127.0.0.1:8400")
            assert ("AWS_ACCESS_KEY_ID" in spec.env) == (not isolated)

    def test_instance_groups(self, rig: FakeRig) -> None:
        """DG train-heterogeneous-cluster: groups of their own types, channels for some of them."""
        for number in range(3):
            rig.objects.put(f"s3://bucket/feed/{number}.csv", b"x")
        feed = channel("feed", "s3://bucket/feed/", S3DataDistributionType="ShardedByS3Key", InstanceGroupNames=["feed"])
        fit = channel("fit", "s3://bucket/train/", InstanceGroupNames=["fit"])
        rig.create(ResourceConfig=GROUPS, InputDataConfig=[feed, fit, channel("all", "s3://bucket/train/")])
        job = rig.reach("Training", member="SecondaryStatus")
        assert job["ResourceConfig"]["InstanceGroups"] == GROUPS["InstanceGroups"]
        seen = config(rig, "resourceconfig.json", "algo-3")
        assert (seen["current_group_name"], seen["current_instance_type"]) == ("fit", "ml.m5.large")
        assert seen["instance_groups"] == [
            {"instance_group_name": "feed", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1", "algo-2"]},
            {"instance_group_name": "fit", "instance_type": "ml.m5.large", "hosts": ["algo-3"]},
        ]
        data = {
            host: {
                path.name: sorted(file.name for file in path.iterdir())
                for path in (rig.folder("job", host) / "ml/input/data").iterdir()
            }
            for host in ("algo-1", "algo-2", "algo-3")
        }
        assert data == {
            "algo-1": {"all": ["a.csv"], "feed": ["0.csv", "2.csv"]},
            "algo-2": {"all": ["a.csv"], "feed": ["1.csv"]},
            "algo-3": {"all": ["a.csv"], "fit": ["a.csv"]},
        }
        for host, channels in data.items():
            assert config(rig, "inputdataconfig.json", host).keys() == channels.keys()

    def test_checkpoints_of_all_go_under_one_prefix(self, rig: FakeRig) -> None:
        """DG model-checkpoints."""
        rig.objects.put("s3://bucket/ck/0", b"zero")
        rig.create(ResourceConfig=TWO, CheckpointConfig={"S3Uri": "s3://bucket/ck"})
        rig.reach("Training", member="SecondaryStatus")
        for host in HOSTS:
            folder = rig.folder("job", host) / "ml/checkpoints"
            assert (folder / "0").read_bytes() == b"zero"
            (folder / f"1-{host}").write_text(host)
        rig.until(lambda: rig.objects.keys("bucket"), lambda keys: {"ck/1-algo-1", "ck/1-algo-2"} <= set(keys))
        for host in HOSTS:
            rig.runtime.finish(rig.folder("job", host), 0)
        assert rig.ended()["TrainingJobStatus"] == "Completed"
        assert [key for key in rig.objects.keys("bucket") if key.startswith("ck")] == ["ck/0", "ck/1-algo-1", "ck/1-algo-2"]

    def test_an_uncompressed_model(self, rig: FakeRig) -> None:
        rig.runtime.program = trains
        rig.create(ResourceConfig=TWO, OutputDataConfig={"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"})
        assert rig.ended()["TrainingJobStatus"] == "Completed"
        found = {key: rig.objects.get(f"s3://bucket/{key}") for key in rig.objects.keys("bucket") if "/model/" in key}
        prefix = "out/job/output/model"
        assert found == {
            f"{prefix}/same": b"algo-1",
            f"{prefix}/shard-algo-1": b"a.csv",
            f"{prefix}/shard-algo-2": b"a.csv",
        }

    def test_a_silent_instance_has_a_log_stream(self, rig: FakeRig) -> None:
        """clients.md 5: SDK v3 shows no line before there are as many streams as instances."""
        rig.runtime.program = lambda spec: (
            (spec.folder / "stdout").write_text("a line\n" if spec.hostname == "algo-1" else "") and 0
        )
        rig.create(ResourceConfig=TWO)
        job = rig.ended()
        assert [rig.streams(job), rig.lines(job), rig.lines(job, "algo-2")] == [["algo-1", "algo-2"], ["a line"], []]

    def test_the_one_that_ends_first_waits_for_the_other(self, rig: FakeRig) -> None:
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        rig.runtime.finish(rig.folder("job", "algo-2"), 0)
        (rig.folder() / "stdout").write_text("still here\n")
        job = rig.describe()
        rig.until(lambda: rig.lines(job), lambda lines: lines == ["still here"])
        assert rig.describe()["SecondaryStatus"] == "Training"
        rig.runtime.finish(rig.folder(), 0)
        assert rig.ended()["TrainingJobStatus"] == "Completed"
        assert rig.runtime.signals == []


class TestFailure:
    def test_the_first_to_fail_says_why_and_the_other_is_told_to_end(self, rig: FakeRig) -> None:
        """DG your-algorithms-training-algo-output: the failure file; nothing is left running."""
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        fail(rig, "algo-2", "the column is bad", time.time(), code=3)
        job = rig.ended()
        assert job["FailureReason"] == "AlgorithmError: the column is bad, exit code: 3"
        assert rig.runtime.signalled == [("algo-1", 15)]
        assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
        assert "out/job/output/model.tar.gz" not in rig.objects.keys("bucket")

    def test_of_two_that_failed_the_first_counts(self, rig: FakeRig) -> None:
        """A peer's connections break as soon as the first has failed: what it says is not the reason."""
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        rig.harness.run(rig.loop.close())
        now = time.time()
        fail(rig, "algo-1", "connection reset by peer", now + 1)
        fail(rig, "algo-2", "the column is bad", now)
        rig.restart()
        assert rig.ended()["FailureReason"] == "AlgorithmError: the column is bad, exit code: 1"

    def test_one_that_does_not_listen_is_killed(self, rig: FakeRig) -> None:
        rig.runtime.ends_on = {9}
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        (rig.folder() / "ml/output/data/report").write_text("report")
        rig.runtime.finish(rig.folder("job", "algo-2"), 1)
        job = rig.ended()
        assert job["FailureReason"].startswith("AlgorithmError: The training container on algo-2 failed, exit code: 1.")
        assert rig.runtime.signalled[0] == ("algo-1", 15)
        assert rig.runtime.signalled[-1] == ("algo-1", 9)
        assert archive(rig, "s3://bucket/out/job/output/output.tar.gz") == {"report": "report"}

    def test_one_that_is_lost(self, rig: FakeRig) -> None:
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        rig.runtime.lose(rig.folder("job", "algo-2"))
        assert rig.ended()["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
        assert rig.runtime.signalled == [("algo-1", 15)]
        assert len(rig.runtime.started) == 2

    def test_one_that_the_machine_refuses_for_a_while(self, rig: FakeRig) -> None:
        rig.runtime.refused = {"algo-2"}
        rig.create(ResourceConfig=TWO)
        rig.until(rig.describe, lambda job: "Trying again" in job["SecondaryStatusTransitions"][-1]["StatusMessage"])
        assert rig.describe()["SecondaryStatus"] == "Downloading"
        rig.runtime.refused = set()
        rig.reach("Training", member="SecondaryStatus")
        assert sorted(spec.hostname for spec in rig.runtime.started) == list(HOSTS)

    def test_one_that_the_machine_refuses_for_good_takes_the_others_along(self, rig: FakeRig) -> None:
        rig.runtime.refused = {"algo-2"}
        rig.create(ResourceConfig=TWO)
        assert rig.ended()["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
        rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)


class TestStop:
    def test_all_are_told(self, rig: FakeRig) -> None:
        """API StopTrainingJob."""
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        for host in HOSTS:
            (rig.folder("job", host) / "ml/model" / host).write_text("so far")
        rig.sagemaker.stop_training_job(TrainingJobName="job")
        job = rig.ended()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
        assert sorted(rig.runtime.signalled) == [("algo-1", 15), ("algo-2", 15)]
        assert archive(rig, "s3://bucket/out/job/output/model.tar.gz") == {"algo-1": "so far", "algo-2": "so far"}

    def test_while_one_is_not_started_yet(self, rig: FakeRig) -> None:
        rig.runtime.refused = {"algo-2"}
        rig.create(ResourceConfig=TWO)
        rig.until(lambda: len(rig.runtime.started), lambda count: count == 1)
        rig.sagemaker.stop_training_job(TrainingJobName="job")
        assert rig.ended()["TrainingJobStatus"] == "Stopped"
        assert [spec.hostname for spec in rig.runtime.started] == ["algo-1"]


class TestRestart:
    def test_while_they_run(self, rig: FakeRig) -> None:
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        for host in HOSTS:
            (rig.folder("job", host) / "stdout").write_text("one\n")
        rig.restart()
        for host in HOSTS:
            with (rig.folder("job", host) / "stdout").open("a") as stdout:
                stdout.write("two\n")
            rig.runtime.finish(rig.folder("job", host), 0)
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Completed"
        assert [rig.lines(job, host) for host in HOSTS] == [["one", "two"], ["one", "two"]]
        assert len(rig.runtime.started) == 2

    def test_between_two_starts(self, rig: FakeRig) -> None:
        rig.runtime.refused = {"algo-2"}
        rig.create(ResourceConfig=TWO)
        rig.until(lambda: len(rig.runtime.started), lambda count: count == 1)
        rig.restart()
        rig.runtime.refused = set()
        rig.reach("Training", member="SecondaryStatus")
        assert sorted(spec.hostname for spec in rig.runtime.started) == list(HOSTS)

    def test_after_one_has_failed(self, rig: FakeRig) -> None:
        rig.runtime.ends_on = {9}
        rig.create(ResourceConfig=TWO)
        rig.reach("Training", member="SecondaryStatus")
        rig.runtime.finish(rig.folder("job", "algo-2"), 1)
        rig.until(lambda: rig.runtime.signalled, lambda signalled: ("algo-1", 15) in signalled)
        rig.restart()
        assert rig.ended()["FailureReason"].startswith("AlgorithmError: The training container on algo-2 failed")


class TestPlaces:
    def test_large_jobs_run_one_after_the_other(self, tmp_path: Path) -> None:
        """All places or none: two jobs that fit only one at a time never wait for each other."""
        with FakeRig(tmp_path, slots=4) as rig:
            for name in ("first", "second"):
                rig.create(name, ResourceConfig={**TWO, "InstanceCount": 3})
            job = rig.until(
                lambda: [rig.describe(name) for name in ("first", "second")],
                lambda jobs: sorted(job["SecondaryStatus"] for job in jobs) == ["Starting", "Training"],
            )
            running, waiting = sorted(job, key=lambda job: job["SecondaryStatus"], reverse=True)
            assert waiting["SecondaryStatusTransitions"][-1]["StatusMessage"] == (
                "Waiting for 3 places at once: this machine runs 4 instances at once, and 3 are taken"
            )
            for host in ("algo-1", "algo-2", "algo-3"):
                rig.runtime.finish(rig.folder(running["TrainingJobName"], host), 0)
            rig.reach("Training", name=waiting["TrainingJobName"], member="SecondaryStatus")
            assert rig.describe(running["TrainingJobName"])["TrainingJobStatus"] == "Completed"

    def test_a_job_larger_than_the_machine_runs_alone(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, slots=4) as rig:
            rig.create("large", ResourceConfig={**TWO, "InstanceCount": 6})
            rig.reach("Training", name="large", member="SecondaryStatus")
            rig.create("small")
            rig.until(
                lambda: rig.describe("small"),
                lambda job: "Waiting for a place" in job["SecondaryStatusTransitions"][-1]["StatusMessage"],
            )
            for number in range(1, 7):
                rig.runtime.finish(rig.folder("large", f"algo-{number}"), 0)
            rig.reach("Training", name="small", member="SecondaryStatus")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRig]:
    """For requests that leave nothing behind."""
    with FakeRig(tmp_path_factory.mktemp("strict")) as made:
        yield made


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ResourceConfig": {**TWO, "InstanceCount": 0}}, "at least one instance"),
        ({"ResourceConfig": {**GROUPS, "InstanceCount": 1}}, "Specify either InstanceGroups or InstanceType and InstanceCount"),
        (
            {"ResourceConfig": {"InstanceGroups": GROUPS["InstanceGroups"][:1] * 2}},
            "Instance group names in ResourceConfig must be unique",
        ),
        (
            {"InputDataConfig": [channel("train", "s3://bucket/train/", InstanceGroupNames=["fit"])]},
            "InstanceGroupNames names 'fit', which is no instance group of ResourceConfig",
        ),
        (
            {"ResourceConfig": TWO, "AlgorithmSpecification": {"TrainingImage": LDA, "TrainingInputMode": "File"}},
            "Training Latent Dirichlet Allocation on more than one instance is not supported by this version",
        ),
    ],
)
def test_what_create_refuses(changes: dict[str, Any], text: str, strict: FakeRig) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        strict.create(**changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert text in caught.value.response["Error"]["Message"]


def test_what_is_more_than_this_machine_can_be_asked_for(strict: FakeRig) -> None:
    """AWS's wording of a service quota."""
    with pytest.raises(botocore.exceptions.ClientError, match="training job usage' is 32 Instances") as caught:
        strict.create(ResourceConfig={**TWO, "InstanceCount": 2_000_000_000})
    assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"


def test_ones_own_program_in_the_image_of_an_algorithm_may_have_several_instances(rig: FakeRig) -> None:
    rig.create(
        ResourceConfig=TWO,
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "train.py"},
    )
    rig.reach("Training", member="SecondaryStatus")
    assert len(rig.runtime.started) == 2
