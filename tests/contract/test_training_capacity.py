"""Managed spot training, warm pools, retries, GPUs and quotas through boto3, the real loop and rows; containers and S3 are stand-ins.

Once plainly, once with every action twice. Feature rows G09, G10, G11, G19, P04.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import botocore.exceptions
import pytest
from harness import WORLD
from support.training import XGBOOST, FakeRig, statuses

from sagewright.compute.runtime import InstanceSpec
from sagewright.features.training.interruption import NotInterruptible
from sagewright.features.training.prospects import Terms
from sagewright.jobs import steps, synchronised

SPOT: dict[str, Any] = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
    "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints/"},
}
INTERRUPTED_ONCE = [
    *("Starting", "Downloading", "Training", "Interrupted"),
    *("Starting", "Downloading", "Training", "Uploading", "Completed"),
]


def resources(**more: Any) -> dict[str, Any]:
    return {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5, **more}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(steps, "SOON_SECONDS", 0.05)
    monkeypatch.setattr(steps, "PEERS_GRACE_SECONDS", 0.4)
    monkeypatch.setattr(synchronised, "PUSH_SECONDS", 0.2)
    monkeypatch.setattr(synchronised, "SETTLED_SECONDS", 0.0)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def twice(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def rig(tmp_path: Path, twice: bool) -> Iterator[FakeRig]:
    with FakeRig(tmp_path, twice=twice) as made:
        yield made


def counts(spec: InstanceSpec) -> int | None:
    """Goes on from a checkpoint: the first attempt runs for ever, the second ends."""
    checkpoint = spec.ml / "checkpoints" / "step"
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    (spec.folder / "stdout").write_text(f"begins at {step}\n")
    checkpoint.write_text(str(step + 1))
    if step == 0:
        (spec.ml / "checkpoints" / "dropped").write_text("x")
        return None
    (spec.ml / "checkpoints" / "dropped").unlink()
    (spec.ml / "model" / "m").write_text("model")
    return 0


def interrupt(rig: FakeRig, name: str = "job") -> None:
    rig.harness.run(rig.training.interrupt(WORLD, name))


def training(rig: FakeRig, name: str = "job") -> dict[str, Any]:
    return rig.reach("Training", name=name, member="SecondaryStatus")


class TestSpot:
    def test_an_interrupted_job_goes_on_from_its_checkpoints(self, rig: FakeRig) -> None:
        """DG model-managed-spot-training-status: Interrupted, then everything from Starting on; DG model-checkpoints."""
        rig.runtime.program = counts
        rig.create(**SPOT)
        training(rig)
        interrupt(rig)
        interrupt(rig)
        job = rig.ended()
        assert statuses(job) == INTERRUPTED_ONCE
        assert job["TrainingJobStatus"] == "Completed"
        assert rig.runtime.signals == [15]
        assert len(rig.runtime.started) == 2
        assert rig.objects.get("s3://bucket/checkpoints/step") == b"2"
        assert "checkpoints/dropped" not in rig.objects.keys("bucket"), "deletions are mirrored"
        assert job["SecondaryStatusTransitions"][3]["StatusMessage"].startswith("The managed spot training instances were")
        assert job["TrainingStartTime"] == job["SecondaryStatusTransitions"][1]["StartTime"]

    def test_one_that_ends_before_it_is_told_has_ended(self, rig: FakeRig) -> None:
        rig.create(**SPOT)
        training(rig)
        rig.harness.run(rig.loop.close())
        rig.runtime.finish(rig.folder(), 0)
        interrupt(rig)
        rig.restart()
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Completed"
        assert "Interrupted" not in statuses(job)

    def test_interruptions_by_schedule(self, tmp_path: Path, twice: bool) -> None:
        """The first attempt goes after its seconds, later ones stay."""
        with FakeRig(tmp_path, twice=twice, terms=Terms(interruptions=(0.2,))) as rig:
            rig.runtime.program = counts
            rig.create(**SPOT)
            assert statuses(rig.ended()) == INTERRUPTED_ONCE

    def test_a_job_on_demand_takes_the_place_of_a_spot_job(self, tmp_path: Path, twice: bool) -> None:
        """A real shortage: the last spot job to begin leaves, waits, and goes on when there is room."""
        with FakeRig(tmp_path, twice=twice, slots=2) as rig:
            rig.create("first", **SPOT)
            training(rig, "first")
            rig.create("second", **SPOT)
            training(rig, "second")
            rig.create("demanding")
            training(rig, "demanding")
            waiting = rig.until(
                lambda: rig.describe("second"),
                lambda job: "2 are taken" in job["SecondaryStatusTransitions"][-1]["StatusMessage"],
            )
            assert statuses(waiting)[-2:] == ["Interrupted", "Starting"]
            assert rig.describe("first")["SecondaryStatus"] == "Training"
            rig.runtime.finish(rig.folder("demanding"), 0)
            rig.until(lambda: statuses(rig.describe("second")).count("Training"), lambda times: times == 2)

    def test_a_job_that_waits_for_capacity_too_long(self, tmp_path: Path) -> None:
        """DG model-managed-spot-training-status: "Spot instances were never launched"."""
        with FakeRig(tmp_path, slots=1) as rig:
            rig.create("large")
            training(rig, "large")
            rig.create(**{**SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}})
            job = rig.ended()
            assert statuses(job) == ["Starting", "Stopping", "MaxWaitTimeExceeded"]
            assert job["TrainingJobStatus"] == "Stopped"
            assert "BillableTimeInSeconds" not in job

    def test_a_stop_while_instances_go(self, rig: FakeRig) -> None:
        rig.runtime.ends_on = {9}
        rig.create(**SPOT)
        training(rig)
        interrupt(rig)
        rig.reach("Interrupted", member="SecondaryStatus")
        rig.sagemaker.stop_training_job(TrainingJobName="job")
        rig.reach("Stopping")
        rig.runtime.finish(rig.folder(), 143)
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Stopped"
        assert len(rig.runtime.started) == 1

    def test_restart_of_control_while_instances_go(self, rig: FakeRig) -> None:
        """Neither the interruption nor the job is lost, and nothing is started twice."""
        rig.runtime.program = counts
        rig.runtime.ends_on = {9}
        rig.create(**SPOT)
        training(rig)
        interrupt(rig)
        rig.reach("Interrupted", member="SecondaryStatus")
        rig.restart()
        rig.runtime.finish(rig.folder(), 143)
        rig.restart()
        assert statuses(rig.ended()) == INTERRUPTED_ONCE
        assert len(rig.runtime.started) == 2

    def test_checkpoints_wait_for_s3(self, rig: FakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(synchronised, "SETTLED_SECONDS", 3600.0)  # nothing goes up before the end
        rig.runtime.program = counts
        rig.create(**SPOT)
        training(rig)
        rig.objects.away = True
        interrupt(rig)
        rig.until(
            lambda: rig.describe()["SecondaryStatusTransitions"][-1],
            lambda step: step["Status"] == "Interrupted" and "cannot be reached" in step["StatusMessage"],
        )
        rig.objects.away = False
        assert statuses(rig.ended()) == INTERRUPTED_ONCE

    def test_who_cannot_be_interrupted(self, rig: FakeRig) -> None:
        rig.create("demanding")
        with pytest.raises(NotInterruptible, match="no training job named nobody"):
            interrupt(rig, "nobody")
        with pytest.raises(NotInterruptible, match="no managed spot training job"):
            interrupt(rig, "demanding")
        rig.create("over", **SPOT)
        training(rig, "over")
        rig.runtime.finish(rig.folder("over"), 0)
        rig.ended("over")
        with pytest.raises(NotInterruptible, match="it is Completed"):
            interrupt(rig, "over")


class TestRetry:
    RETRIES: ClassVar[dict[str, Any]] = {
        "RetryStrategy": {"MaximumRetryAttempts": 1},
        "CheckpointConfig": SPOT["CheckpointConfig"],
    }

    def test_a_lost_container_is_started_again(self, rig: FakeRig) -> None:
        """API RetryStrategy: "when the job is retried, its SecondaryStatus is changed to STARTING"."""
        rig.runtime.program = counts
        rig.create(**self.RETRIES)
        training(rig)
        rig.runtime.lose(rig.folder())
        job = rig.ended()
        assert statuses(job) == [status for status in INTERRUPTED_ONCE if status != "Interrupted"]
        assert "retry 1 of 1" in job["SecondaryStatusTransitions"][3]["StatusMessage"]

    def test_but_not_more_often_than_asked(self, rig: FakeRig) -> None:
        rig.create(**self.RETRIES)
        for attempt in (1, 2):
            rig.until(lambda: statuses(rig.describe()).count("Training"), lambda times, attempt=attempt: times == attempt)
            rig.runtime.lose(rig.folder())
        job = rig.ended()
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError:")

    def test_a_failure_of_the_algorithm_is_not_retried(self, rig: FakeRig) -> None:
        def fails(spec: InstanceSpec) -> int:
            (spec.ml / "output" / "failure").write_text("InternalServerError: says who")
            return 1

        rig.runtime.program = fails
        rig.create(**self.RETRIES)
        assert rig.ended()["TrainingJobStatus"] == "Failed"
        assert len(rig.runtime.started) == 1


KEPT = resources(KeepAlivePeriodInSeconds=600)


def remembers(spec: InstanceSpec) -> int:
    """Adds a line to the persistent cache."""
    cache = spec.ml / "sagemaker" / "warmpoolcache" / "names"
    before = cache.read_text() if cache.exists() else ""
    cache.write_text(f"{before}{spec.env['TRAINING_JOB_NAME']} ")
    (spec.ml / "model" / "m").write_text(before)
    return 0


class TestWarmPools:
    def pool(self, rig: FakeRig, status: str, name: str = "job") -> dict[str, Any]:
        found = rig.until(lambda: rig.describe(name), lambda job: job.get("WarmPoolStatus", {}).get("Status") == status)
        return dict(found["WarmPoolStatus"])

    def test_its_life(self, rig: FakeRig) -> None:
        """DG train-warm-pools: InUse, Available, Reused by the second job, whose own it is then; the persistent cache."""
        rig.runtime.program = lambda spec: None
        rig.create("first", ResourceConfig=KEPT)
        training(rig, "first")
        assert self.pool(rig, "InUse", "first") == {"Status": "InUse"}
        rig.runtime.program = remembers
        remembers(rig.spec("first"))
        rig.runtime.finish(rig.folder("first"), 0)
        self.pool(rig, "Available", "first")
        listed = rig.sagemaker.list_training_jobs(WarmPoolStatusEquals="Available")["TrainingJobSummaries"]
        assert [job["TrainingJobName"] for job in listed] == ["first"]
        rig.create("second", ResourceConfig=KEPT, HyperParameters={"other": "1"})
        rig.ended("second")
        reused = self.pool(rig, "Reused", "first")
        assert reused["ReusedByJob"] == "second"
        assert reused["ResourceRetainedBillableTimeInSeconds"] >= 0
        self.pool(rig, "Available", "second")
        self.settled(rig, "second")
        assert self.cached(rig) == "first second "
        rig.sagemaker.update_training_job(TrainingJobName="second", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
        assert self.pool(rig, "Terminated", "second")["ResourceRetainedBillableTimeInSeconds"] >= 0
        rig.until(lambda: list((rig.jobs / "warm-pool").rglob("names")), lambda found: not found)
        assert rig.describe("second")["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 0

    def settled(self, rig: FakeRig, name: str) -> None:
        """Until what the containers left is put away."""
        rig.until(lambda: rig.folder(name).exists(), lambda there: not there)
        rig.harness.run(rig.loop.idle())

    def cached(self, rig: FakeRig) -> str:
        (file,) = (rig.jobs / "warm-pool").rglob("names")
        return file.read_text()

    def test_it_holds_its_places(self, tmp_path: Path, twice: bool) -> None:
        """A job that matches need not wait, others must, until the pool ends; also after a restart of control."""
        with FakeRig(tmp_path, twice=twice, slots=1) as rig:
            rig.runtime.program = lambda spec: 0
            rig.create("first", ResourceConfig=KEPT)
            rig.ended("first")
            self.settled(rig, "first")
            rig.restart()
            rig.create("other", ResourceConfig=resources(InstanceType="ml.m5.xlarge"))
            rig.until(
                lambda: rig.describe("other")["SecondaryStatusTransitions"][-1]["StatusMessage"],
                lambda text: text.startswith("Waiting for a place"),
            )
            rig.harness.run(rig.loop.idle())
            rig.create("second", ResourceConfig=resources())
            assert rig.ended("second")["TrainingJobStatus"] == "Completed"
            assert self.pool(rig, "Terminated", "second")["ResourceRetainedBillableTimeInSeconds"] == 0
            assert rig.ended("other")["TrainingJobStatus"] == "Completed"

    @pytest.mark.parametrize(
        "changes",
        [
            {"ResourceConfig": resources(KeepAlivePeriodInSeconds=600, VolumeSizeInGB=6)},
            {"RoleArn": "arn:aws:iam::123456789012:role/Other"},
            {"EnableNetworkIsolation": True},
            {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
            SPOT,
        ],
        ids=["volume", "role", "isolation", "network", "spot"],
    )
    def test_what_does_not_match(self, changes: dict[str, Any], tmp_path: Path) -> None:
        """DG train-warm-pools, matching training jobs."""
        with FakeRig(tmp_path) as rig:
            rig.runtime.program = lambda spec: 0
            rig.create("first", ResourceConfig=KEPT)
            rig.ended("first")
            self.settled(rig, "first")
            rig.create("second", **changes)
            rig.ended("second")
            assert self.pool(rig, "Available", "first") == {"Status": "Available"}

    def test_the_period_ends(self, rig: FakeRig) -> None:
        rig.runtime.program = remembers
        rig.create(ResourceConfig=resources(KeepAlivePeriodInSeconds=1))
        rig.ended()
        assert self.pool(rig, "Terminated")["ResourceRetainedBillableTimeInSeconds"] == 1
        with pytest.raises(botocore.exceptions.ClientError, match="while its warm pool status is Available; it is Terminated"):
            rig.sagemaker.update_training_job(TrainingJobName="job", ResourceConfig={"KeepAlivePeriodInSeconds": 60})

    def test_instances_that_may_be_broken_are_not_kept(self, rig: FakeRig) -> None:
        """DG train-warm-pools, creation: after an algorithm's error they are, after ours not."""
        rig.create("lost", ResourceConfig=KEPT)
        training(rig, "lost")
        rig.runtime.lose(rig.folder("lost"))
        rig.ended("lost")
        self.pool(rig, "Terminated", "lost")
        rig.runtime.program = lambda spec: 1
        rig.create("failed", ResourceConfig=KEPT)
        rig.ended("failed")
        self.pool(rig, "Available", "failed")

    def test_two_jobs_that_want_the_same_pool(self, rig: FakeRig) -> None:
        """One has it, the other begins on instances of its own."""
        rig.runtime.program = lambda spec: 0
        rig.create("first", ResourceConfig=KEPT)
        rig.ended("first")
        self.settled(rig, "first")
        for name in ("one", "two"):
            rig.create(name, ResourceConfig=resources())
        ended = [rig.ended(name) for name in ("one", "two")]
        assert [job["TrainingJobStatus"] for job in ended] == ["Completed"] * 2
        assert sum("WarmPoolStatus" in job for job in ended) == 1

    def test_a_deleted_job_takes_its_pool_along(self, rig: FakeRig) -> None:
        rig.runtime.program = remembers
        rig.create(ResourceConfig=KEPT)
        rig.ended()
        rig.sagemaker.delete_training_job(TrainingJobName="job")
        rig.until(lambda: list((rig.jobs / "warm-pool").rglob("names")), lambda found: not found)
        rig.until(lambda: rig.training.controller.workshop.slots.held, lambda held: not held)


class TestGpus:
    P3: ClassVar[dict[str, Any]] = resources(InstanceType="ml.p3.2xlarge")

    def given(self, rig: FakeRig, name: str) -> str:
        return rig.spec(name).env["CUDA_VISIBLE_DEVICES"]

    def test_each_belongs_to_one_job(self, tmp_path: Path, twice: bool) -> None:
        """Also after a restart of control, which finds out who has which."""
        with FakeRig(tmp_path, twice=twice, gpus=("0", "1")) as rig:
            for name in ("one", "two"):
                rig.create(name, ResourceConfig=self.P3)
                training(rig, name)
            assert (self.given(rig, "one"), self.given(rig, "two")) == ("0", "1")
            assert rig.spec("one").limits.gpus == 1
            rig.create("plain")
            training(rig, "plain")
            assert self.given(rig, "plain") == ""
            assert rig.spec("plain").limits.gpus == 0
            rig.runtime.finish(rig.folder("one"), 0)
            rig.ended("one")
            rig.restart()
            for name in ("three", "four"):
                rig.create(name, ResourceConfig=self.P3)
            training(rig, "three")
            assert self.given(rig, "three") == "0"
            rig.until(
                lambda: rig.describe("four")["SecondaryStatusTransitions"][-1]["StatusMessage"],
                lambda text: text == "Waiting for 1 GPU: this machine has 2, and 2 are taken",
            )

    def test_two_instances(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, gpus=("4", "6", "7")) as rig:
            rig.create(ResourceConfig={**self.P3, "InstanceCount": 2})
            training(rig)
            assert [rig.spec("job", host).env["CUDA_VISIBLE_DEVICES"] for host in ("algo-1", "algo-2")] == ["4", "6"]

    def test_fewer_than_the_type_has(self, tmp_path: Path) -> None:
        with FakeRig(tmp_path, gpus=("0",)) as rig:
            rig.create(ResourceConfig=resources(InstanceType="ml.p3.8xlarge"))
            job = training(rig)
            assert self.given(rig, "job") == "0"
            assert "has 4 GPUs, and this machine has 1" in job["SecondaryStatusTransitions"][-1]["StatusMessage"]

    def test_a_machine_without_any(self, tmp_path: Path) -> None:
        """On CPU and said so; under ``limits`` aws as when AWS has no capacity: SDKs raise CapacityError for these words."""
        with FakeRig(tmp_path) as rig:
            rig.create(ResourceConfig=self.P3)
            assert "runs on CPU" in training(rig)["SecondaryStatusTransitions"][-1]["StatusMessage"]
            assert "CUDA_VISIBLE_DEVICES" not in rig.spec().env


class TestLimits:
    NAME = "ml.m5.large for training job usage"

    @pytest.fixture
    def aws(self, tmp_path: Path) -> Iterator[FakeRig]:
        with FakeRig(tmp_path, slots=10, terms=Terms(limited=True)) as made:
            yield made

    def refused(self, rig: FakeRig, name: str = "more", **changes: Any) -> str:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            rig.create(name, **changes)
        assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"
        return str(caught.value.response["Error"]["Message"])

    def raise_to(self, rig: FakeRig, name: str, value: float) -> None:
        quotas = rig.harness.client("service-quotas")
        (code,) = [
            quota["QuotaCode"]
            for page in quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
            for quota in page["Quotas"]
            if quota["QuotaName"] == name
        ]
        quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=code, DesiredValue=value)

    def test_a_quota_is_refused_in_aws_words_until_it_is_raised(self, aws: FakeRig) -> None:
        """client_visible_errors.md: ResourceLimitExceeded; the SDKs read "service limit '…'"."""
        aws.create("three", ResourceConfig=resources(InstanceCount=3))
        assert self.refused(aws, ResourceConfig=resources(InstanceCount=2)) == (
            f"The account-level service limit '{self.NAME}' is 4 Instances, with current utilization of 3 Instances and a request "
            "delta of 2 Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is "
            "not available, contact AWS support to request an increase for this quota. "
            f"(Here: sagewright quota raise '{self.NAME}' 5)"
        )
        aws.create("spot", **SPOT)
        self.raise_to(aws, self.NAME, 5)
        aws.create("two", ResourceConfig=resources(InstanceCount=2))

    def test_what_has_ended_counts_no_more(self, aws: FakeRig) -> None:
        aws.runtime.program = lambda spec: 0
        for name in ("a", "b"):
            aws.create(name, ResourceConfig=resources(InstanceCount=4))
            aws.ended(name)

    def test_no_gpus_at_first_and_then_no_capacity(self, aws: FakeRig) -> None:
        p3 = resources(InstanceType="ml.p3.2xlarge")
        assert "'ml.p3.2xlarge for training job usage' is 0 Instances" in self.refused(aws, ResourceConfig=p3)
        self.raise_to(aws, "ml.p3.2xlarge for training job usage", 1)
        aws.create(ResourceConfig=p3)
        job = aws.ended()
        assert job["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity")

    def test_a_warm_pool_needs_a_quota_of_its_own(self, aws: FakeRig) -> None:
        """DG train-warm-pools-resource-limits: the default is 0, and then none is kept; it counts as training, too."""
        aws.runtime.program = lambda spec: 0
        aws.create("cold", ResourceConfig=KEPT)
        assert "WarmPoolStatus" not in aws.ended("cold")
        self.raise_to(aws, "ml.m5.large for training warm pool usage", 1)
        aws.create("warm", ResourceConfig=KEPT)
        assert aws.ended("warm")["WarmPoolStatus"]["Status"] == "Available"
        assert "current utilization of 1 Instances" in self.refused(aws, ResourceConfig=resources(InstanceCount=4))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"EnableManagedSpotTraining": True},
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to",
        ),
        (
            {**SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}},
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds",
        ),
        (
            {"StoppingCondition": SPOT["StoppingCondition"]},
            "It is only supported when EnableManagedSpotTraining is set to true",
        ),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": SPOT["StoppingCondition"],
                "AlgorithmSpecification": {"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
            },
            "must not exceed 3600 for a built-in algorithm without CheckpointConfig",
        ),
        ({**SPOT, "ResourceConfig": KEPT}, "not supported for managed spot training"),
        (
            {
                "ResourceConfig": {
                    "InstanceGroups": [{"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1}],
                    "VolumeSizeInGB": 5,
                    "KeepAlivePeriodInSeconds": 60,
                }
            },
            "not supported for heterogeneous clusters",
        ),
    ],
)
def test_what_create_refuses(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    """API StoppingCondition, CheckpointConfig, ResourceConfig."""
    with FakeRig(tmp_path) as rig:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            rig.create(**changes)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        assert text in caught.value.response["Error"]["Message"]
