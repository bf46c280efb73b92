"""The plan of a training job, as a table: for every state and everything that can be seen, what is done and what is written.

Holds API DescribeTrainingJob (SecondaryStatus, SecondaryStatusTransitions), API StopTrainingJob (SIGTERM, 120 s, model kept)
and API StoppingCondition (MaxRuntimeInSeconds ends in Stopped / MaxRuntimeExceeded).
Feature rows A12, G01, G09.
"""

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.compute.runtime import Observed as Instance
from sagewright.features.training import leaving, progress, warm_pool
from sagewright.features.training.plan import plan
from sagewright.features.training.sight import (
    Announce,
    Claim,
    Download,
    Failure,
    Forget,
    Keep,
    Remove,
    Reserve,
    Reset,
    Save,
    Sight,
    Signal,
    Start,
    Upload,
    Watch,
)
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

T0 = 1_800_000_000.0
RUNNING, DONE = Errand("running"), Errand("done")
UP = Instance("running", started=T0 + 5)
GONE = Instance("missing")
WORLD = World("123456789012", "us-east-1")


def job(status: Mapping[str, Any], **spec: Any) -> Resource:
    spec = {
        "TrainingJobName": "job",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **spec,
    }
    state = status["TrainingJobStatus"]
    return Resource(WORLD, "TrainingJob", "job", name="job", state=state, spec=spec, status=status, created=T0)


def exited(code: int, reason: str = "") -> Instance:
    return Instance("exited", code, reason, started=T0 + 5, ended=T0 + 9)


def seen(*instances: Instance, text: str = "", last_lines: str = "", **more: Any) -> Sight:
    """A look at containers, the first failed one of which is to blame."""
    failed = [one for one in instances if one.state == "lost" or (one.state == "exited" and (one.code or one.reason))]
    host = f"algo-{instances.index(failed[0]) + 1}" if failed and len(instances) > 1 else ""
    return Sight(instances, Failure(failed[0], text, last_lines, host) if failed else None, **more)


STARTING = progress.created(T0)
DOWNLOADING = progress.begun(STARTING, "job/algo-1-1800000000", progress.DOWNLOADING, T0)
TRAINING = progress.entered(DOWNLOADING, "Training", progress.TRAINING, T0 + 5)
ABANDONED = progress.abandoned(TRAINING, T0 + 6)
STOPPING = progress.stopping(TRAINING, "Stopped", T0 + 6)
TOLD = progress.signalled(STOPPING, T0 + 6)
DONE_WELL = progress.settled(TRAINING, {"Status": "Completed", "Secondary": "Completed"}, progress.UPLOADING, T0 + 9)
DONE_BADLY = progress.settled(
    TRAINING, {"Status": "Failed", "Secondary": "Failed", "FailureReason": "AlgorithmError: x"}, progress.UPLOADING, T0 + 9
)
STOPPED_SOON = progress.stopping(STARTING, "Stopped", T0 + 1)
STOPPED_IN_DOWNLOAD = progress.stopping(DOWNLOADING, "Stopped", T0 + 1)

TABLE: list[tuple[str, Mapping[str, Any], Sight, tuple[Any, ...], str, str]] = [
    # what is seen, status, sight, actions, status and secondary status written (empty: nothing is written)
    ("a free machine takes the job", STARTING, Sight(), (Reserve(), Download()), "InProgress", "Downloading"),
    ("a full machine makes it wait", STARTING, Sight(waiting="Waiting."), (), "InProgress", "Starting"),
    ("restart of control while downloading", DOWNLOADING, Sight(), (Reserve(), Download()), "", ""),
    ("download not begun", DOWNLOADING, Sight(placed=True), (Download(),), "", ""),
    ("download runs", DOWNLOADING, Sight(placed=True, download=RUNNING), (), "", ""),
    ("download done", DOWNLOADING, Sight(placed=True, download=DONE), (Start(),), "", ""),
    ("start runs", DOWNLOADING, Sight(placed=True, download=DONE, start=RUNNING), (), "", ""),
    ("start left no trace", DOWNLOADING, Sight(placed=True, download=DONE, start=DONE), (), "Failed", "Failed"),
    ("no data", DOWNLOADING, Sight(placed=True, download=Errand("failed", "ClientError: x")), (), "Failed", "Failed"),
    (
        "no S3",
        DOWNLOADING,
        Sight(placed=True, download=Errand("failed", "S3?", True)),
        (Forget("download"),),
        "InProgress",
        "Downloading",
    ),
    ("no start", DOWNLOADING, Sight(placed=True, download=DONE, start=Errand("failed", "x")), (), "Failed", "Failed"),
    ("it runs", DOWNLOADING, seen(UP, placed=True, download=DONE, start=DONE), (Watch(),), "InProgress", "Training"),
    ("it goes on", TRAINING, seen(UP, placed=True), (Watch(),), "", ""),
    ("restart of control while training", TRAINING, seen(UP), (Reserve(adopted=True), Watch()), "", ""),
    ("the row is older than the container", STARTING, seen(UP), (), "InProgress", "Downloading"),
    (
        "the row lost the race when it began",
        STARTING,
        Sight(placed=True, download=DONE),
        (Reserve(), Download()),
        "InProgress",
        "Downloading",
    ),
    ("success", TRAINING, seen(exited(0)), (Upload(wanted=True),), "InProgress", "Uploading"),
    ("success too quick to be seen", DOWNLOADING, seen(exited(0)), (Upload(wanted=True),), "InProgress", "Uploading"),
    ("failure", TRAINING, seen(exited(1)), (Upload(wanted=False),), "InProgress", "Uploading"),
    ("lost", TRAINING, seen(Instance("lost")), (Upload(wanted=False),), "InProgress", "Uploading"),
    ("upload lost by a restart", DONE_WELL, seen(exited(0)), (Upload(wanted=True),), "", ""),
    ("upload runs", DONE_WELL, seen(exited(0), upload=RUNNING), (), "", ""),
    ("upload done", DONE_WELL, seen(exited(0), upload=DONE), (), "Completed", "Completed"),
    ("run folder is gone", DONE_WELL, seen(Instance("missing"), upload=DONE), (), "Completed", "Completed"),
    ("upload of a failure done", DONE_BADLY, seen(exited(1), upload=DONE), (), "Failed", "Failed"),
    ("upload of a failure refused", DONE_BADLY, seen(exited(1), upload=Errand("failed", "y")), (), "Failed", "Failed"),
    ("upload refused", DONE_WELL, seen(exited(0), upload=Errand("failed", "ClientError: y")), (), "Failed", "Failed"),
    (
        "upload to be repeated",
        DONE_WELL,
        seen(exited(0), upload=Errand("failed", "S3?", True)),
        (Forget("upload"),),
        "InProgress",
        "Uploading",
    ),
    ("stop before a place was found", STOPPED_SOON, Sight(waiting="Waiting."), (), "Stopped", "Stopped"),
    ("stop while downloading", STOPPED_IN_DOWNLOAD, Sight(placed=True, download=RUNNING), (), "Stopped", "Stopped"),
    ("stop while being started", STOPPED_IN_DOWNLOAD, Sight(placed=True, download=DONE, start=RUNNING), (), "", ""),
    ("stop while running", STOPPING, seen(UP, placed=True), (Signal(signal.SIGTERM), Watch()), "Stopping", "Stopping"),
    ("stop, told", TOLD, seen(UP, placed=True), (Watch(),), "", ""),
    # several instances
    ("both run", DOWNLOADING, seen(UP, UP, placed=True, download=DONE, start=DONE), (Watch(),), "InProgress", "Training"),
    ("one has ended well", TRAINING, seen(UP, exited(0), placed=True), (Watch(),), "", ""),
    ("both have ended well", TRAINING, seen(exited(0), exited(0)), (Upload(wanted=True),), "InProgress", "Uploading"),
    ("one has failed", TRAINING, seen(UP, exited(1), placed=True), (Signal(signal.SIGTERM), Watch()), "InProgress", "Training"),
    (
        "one was lost",
        TRAINING,
        seen(Instance("lost"), UP, placed=True),
        (Signal(signal.SIGTERM), Watch()),
        "InProgress",
        "Training",
    ),
    ("the other was told", ABANDONED, seen(UP, exited(1), placed=True), (Watch(),), "", ""),
    ("the other has ended", ABANDONED, seen(exited(143), exited(1)), (Upload(wanted=False),), "InProgress", "Uploading"),
    (
        "one failed before anybody saw it run",
        DOWNLOADING,
        seen(UP, exited(1), placed=True, download=DONE, start=DONE),
        (Signal(signal.SIGTERM), Watch()),
        "InProgress",
        "Training",
    ),
    ("one is still being started", DOWNLOADING, seen(UP, GONE, placed=True, download=DONE, start=RUNNING), (), "", ""),
    (
        "and the first has failed already",
        DOWNLOADING,
        seen(exited(1), GONE, placed=True, download=DONE, start=RUNNING),
        (),
        "",
        "",
    ),
    ("and the first has ended already", DOWNLOADING, seen(exited(0), GONE, placed=True, download=DONE), (Start(),), "", ""),
    ("restart of control between two starts", DOWNLOADING, seen(UP, GONE), (Reserve(adopted=True), Download()), "", ""),
    (
        "the same on a machine that is full by now",
        DOWNLOADING,
        seen(UP, GONE, waiting="Waiting."),
        (Reserve(adopted=True), Download()),
        "",
        "",
    ),
    (
        "one that the machine refused for a while",
        DOWNLOADING,
        seen(UP, GONE, placed=True, download=DONE, start=Errand("failed", "x", True)),
        (Forget("start"),),
        "InProgress",
        "Downloading",
    ),
    (
        "one failed while another was refused",
        DOWNLOADING,
        seen(exited(1), GONE, placed=True, download=DONE, start=Errand("failed", "x", True)),
        (Upload(wanted=False),),
        "InProgress",
        "Uploading",
    ),
    ("stop between two starts", STOPPED_IN_DOWNLOAD, seen(UP, GONE, placed=True, download=DONE, start=RUNNING), (), "", ""),
    (
        "stop after one start",
        STOPPED_IN_DOWNLOAD,
        seen(UP, GONE, placed=True, download=DONE),
        (Signal(signal.SIGTERM), Watch()),
        "Stopping",
        "Stopping",
    ),
    ("stop, one has ended", TOLD, seen(UP, exited(143), placed=True), (Watch(),), "", ""),
    ("stop, both have ended", TOLD, seen(exited(0), exited(143)), (Upload(wanted=True),), "Stopping", "Uploading"),
    ("stop, ended by itself", TOLD, seen(exited(143)), (Upload(wanted=True),), "Stopping", "Uploading"),
    ("stop, lost", TOLD, seen(Instance("lost")), (Upload(wanted=True),), "Stopping", "Uploading"),
]


@pytest.mark.parametrize(
    ("status", "sight", "actions", "written", "secondary"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_table(status: Mapping[str, Any], sight: Sight, actions: tuple[Any, ...], written: str, secondary: str) -> None:
    result = plan(job(status), sight, T0 + 10)
    assert result.actions == actions
    assert result.due is not None
    assert not result.remove
    if not written:
        assert result.status is None
        assert result.state is None
    else:
        assert result.status is not None
        assert (result.status["TrainingJobStatus"], result.status["SecondaryStatus"]) == (written, secondary)
        assert result.status["SecondaryStatusTransitions"][-1]["Status"] == secondary
        assert result.state == written


@pytest.mark.parametrize("state", ["Completed", "Failed", "Stopped"])
def test_what_is_over_is_tidied_up_and_settled(state: str) -> None:
    result = plan(job({**STARTING, "TrainingJobStatus": state}), Sight(), T0 + 10)
    assert result.actions == (Remove(),)
    assert (result.status, result.due, result.remove) == (None, None, False)


def test_a_deleted_job_takes_its_row_along() -> None:
    result = plan(job({**STARTING, "TrainingJobStatus": "Deleting"}), Sight(), T0 + 10)
    assert (result.actions, result.remove) == ((Remove(),), True)


def test_sigterm_then_120_seconds_then_sigkill() -> None:
    """API StopTrainingJob."""
    sight = seen(UP, placed=True)
    told = plan(job(STOPPING), sight, T0 + 10).status
    assert told is not None
    waiting = plan(job(told), sight, T0 + 129.9)
    assert waiting.actions == (Watch(),)
    assert waiting.due == T0 + 130
    assert plan(job(told), sight, T0 + 130).actions == (Signal(signal.SIGKILL), Watch())


def test_the_others_of_a_failed_instance_are_killed_soon() -> None:
    """They get SIGTERM, and what is left after ten seconds SIGKILL: the job ends quickly."""
    sight = seen(UP, exited(1), placed=True)
    told = plan(job(TRAINING), sight, T0 + 10).status
    assert told is not None
    assert plan(job(told), sight, T0 + 19.9).actions == (Watch(),)
    assert plan(job(told), sight, T0 + 20).actions == (Signal(signal.SIGKILL), Watch())


def test_a_job_with_a_failed_instance_is_not_overdue_any_more() -> None:
    assert plan(job(ABANDONED), seen(UP, exited(1), placed=True), T0 + 9999).state is None


@pytest.mark.parametrize(
    ("status", "sight"),
    [(TRAINING, seen(UP, placed=True)), (DOWNLOADING, Sight(placed=True, download=RUNNING))],
)
def test_max_runtime_stops_the_job(status: Mapping[str, Any], sight: Sight) -> None:
    """API StoppingCondition; SecondaryStatus MaxRuntimeExceeded with TrainingJobStatus Stopped."""
    assert plan(job(status), sight, T0 + 3599).status is None
    stopping = plan(job(status), sight, T0 + 3600)
    assert stopping.state == "Stopping"
    assert stopping.status is not None
    assert stopping.due == T0 + 3600
    gone = seen(exited(143)) if sight.running else sight
    after = plan(job(stopping.status), gone, T0 + 3601)
    if after.state == "Stopping":
        assert after.status is not None
        after = plan(job(after.status), seen(exited(143), upload=DONE), T0 + 3602)
    assert after.status is not None
    assert (after.state, after.status["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


@pytest.mark.parametrize(("settled", "end"), [(DONE_WELL, "Stopped"), (DONE_BADLY, "Failed")])
def test_a_stop_that_comes_while_the_model_goes_out(settled: Mapping[str, Any], end: str) -> None:
    stopping = progress.stop_requested(settled, T0 + 10)
    assert (stopping["TrainingJobStatus"], stopping["SecondaryStatus"]) == ("Stopping", "Uploading")
    last = plan(job(stopping), seen(exited(0), upload=DONE), T0 + 11)
    assert last.state == end


def test_max_runtime_has_a_default_of_a_day() -> None:
    """API StoppingCondition: the default is 1 day."""
    sight = seen(UP, placed=True)
    assert plan(job(TRAINING, StoppingCondition={}), sight, T0 + 86399).status is None
    assert plan(job(TRAINING, StoppingCondition={}), sight, T0 + 86400).state == "Stopping"


def test_a_job_that_ended_in_time_is_not_overdue_while_it_uploads() -> None:
    assert plan(job(DONE_WELL), seen(exited(0), upload=DONE), T0 + 9999).state == "Completed"
    assert plan(job(TRAINING), seen(exited(0)), T0 + 9999).state == "InProgress"


def test_the_whole_way_of_a_good_job() -> None:
    """API DescribeTrainingJob: each transition has a start, an end and a message; times are whole seconds."""
    resource, now = job(STARTING), T0
    sights = [
        Sight(),
        seen(UP, placed=True, download=DONE, start=DONE),
        seen(exited(0), placed=True),
        seen(exited(0), upload=DONE, metrics=({"MetricName": "m", "Value": 1.0, "Timestamp": now},)),
    ]
    for sight in sights:
        now += 10
        result = plan(resource, sight, now)
        assert result.status is not None
        resource = job(result.status)
    status = resource.status
    assert [step["Status"] for step in status["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert all(step["EndTime"] >= step["StartTime"] for step in status["SecondaryStatusTransitions"])
    assert all(
        a["EndTime"] == b["StartTime"]
        for a, b in zip(status["SecondaryStatusTransitions"], status["SecondaryStatusTransitions"][1:], strict=False)
    )
    assert status["ModelArtifacts"] == {"S3ModelArtifacts": "s3://bucket/out/job/output/model.tar.gz"}
    assert (status["TrainingStartTime"], status["TrainingEndTime"]) == (T0 + 10, T0 + 40)
    assert (status["TrainingTimeInSeconds"], status["BillableTimeInSeconds"]) == (30, 30)
    assert status["FinalMetricDataList"][0]["MetricName"] == "m"
    assert "FailureReason" not in status


def test_uncompressed_models_lie_under_a_prefix() -> None:
    """API OutputDataConfig: CompressionType NONE."""
    spec = {"OutputDataConfig": {"S3OutputPath": "s3://bucket", "CompressionType": "NONE"}}
    result = plan(job(DONE_WELL, **spec), Sight(upload=DONE), T0 + 10).status
    assert result is not None
    assert result["ModelArtifacts"] == {"S3ModelArtifacts": "s3://bucket/job/output/model/"}


@pytest.mark.parametrize(
    ("sight", "reason"),
    [
        (seen(exited(1), text="bad column"), "AlgorithmError: bad column, exit code: 1"),
        (seen(exited(1), text="x" * 5000), ("AlgorithmError: " + "x" * 5000)[:1024]),
        (seen(exited(2), text="ClientError: no data"), "ClientError: no data"),
        (seen(exited(3)), "AlgorithmError: The training container failed, exit code: 3."),
        (
            seen(exited(139), last_lines="a"),
            "AlgorithmError: The training container was ended by signal SIGSEGV, exit code: 139. Last log lines: a",
        ),
        (
            seen(exited(137, "OutOfMemory")),
            "AlgorithmError: The training container ran out of memory; please use an instance type with more memory, "
            "exit code: 137.",
        ),
        (
            seen(exited(1, "DiskFull")),
            "AlgorithmError: The training container ran out of disk space; please use a larger VolumeSizeInGB, exit code: 1.",
        ),
        (seen(exited(0), exited(3)), "AlgorithmError: The training container on algo-2 failed, exit code: 3."),
        (seen(exited(126, "no such program")), "AlgorithmError: no such program, exit code: 126."),
        (
            seen(Instance("lost")),
            "InternalServerError: We encountered an internal error. The training container is gone and left no exit record; "
            "its machine may have been restarted. Please try again.",
        ),
    ],
)
def test_failure_reasons(sight: Sight, reason: str) -> None:
    """DG your-algorithms-training-algo-output: the first 1 024 characters of the failure file."""
    settled = plan(job(TRAINING), sight, T0 + 10)
    assert settled.status is not None
    last = plan(job(settled.status), replace(sight, upload=DONE), T0 + 11)
    assert last.status is not None
    assert last.status["FailureReason"] == reason
    assert "ModelArtifacts" not in last.status


def test_a_notice_is_shown_while_training() -> None:
    result = plan(job(DOWNLOADING), seen(UP, placed=True, notice="No GPU here."), T0 + 10)
    assert result.status is not None
    assert result.status["SecondaryStatusTransitions"][-1]["StatusMessage"].endswith("in progress. No GPU here.")


def test_a_running_job_is_looked_at_less_and_less() -> None:
    sight = seen(UP, placed=True)
    assert plan(job(TRAINING), sight, T0 + 6).due == T0 + 6.25
    assert plan(job(TRAINING), sight, T0 + 1000).due == T0 + 1002
    assert plan(job(TRAINING), sight, T0 + 3599).due == T0 + 3600


SPOT: dict[str, Any] = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
}
RETRY: dict[str, Any] = {"RetryStrategy": {"MaximumRetryAttempts": 2}}
GOING = leaving.interrupted(TRAINING, leaving.COMMANDED)
GOING_TOLD = leaving.signalled(leaving.shown(GOING, T0 + 6), T0 + 6)
SAVED = leaving.saved(GOING_TOLD)
RETRIED = leaving.retried(TRAINING, "InternalServerError: x")

LEAVING: list[tuple[str, Mapping[str, Any], Mapping[str, Any], Sight, tuple[Any, ...], str]] = [
    # what is seen, status, what the job asks for, sight, actions, secondary status written (empty: nothing is written)
    ("needed elsewhere", TRAINING, SPOT, seen(UP, placed=True, reclaimed=True), (), "Training"),
    ("needed elsewhere while data comes in", DOWNLOADING, SPOT, Sight(placed=True, reclaimed=True), (), "Downloading"),
    ("not a spot job", TRAINING, {}, seen(UP, placed=True, reclaimed=True), (Watch(),), ""),
    ("as scheduled", TRAINING, SPOT, seen(UP, placed=True, interrupt_after=9.0), (), "Training"),
    ("not yet", TRAINING, SPOT, seen(UP, placed=True, interrupt_after=99.0), (Watch(),), ""),
    ("told to go", GOING, SPOT, seen(UP, placed=True), (Signal(signal.SIGTERM), Watch()), "Interrupted"),
    ("was told", GOING_TOLD, SPOT, seen(UP, placed=True), (Watch(),), ""),
    ("was told, and control is new", GOING_TOLD, SPOT, seen(UP), (Reserve(adopted=True), Watch()), ""),
    ("has gone", GOING_TOLD, SPOT, seen(exited(143)), (Save(),), "Interrupted"),
    ("has gone with a good exit", GOING_TOLD, SPOT, seen(exited(0)), (Save(),), "Interrupted"),
    ("had ended by itself", GOING, SPOT, seen(exited(0)), (), "Training"),
    ("was lost before", GOING, SPOT, seen(Instance("lost")), (Save(),), "Interrupted"),
    ("checkpoints go out", GOING_TOLD, SPOT, seen(exited(143), save=RUNNING), (), ""),
    ("no S3", GOING_TOLD, SPOT, seen(exited(143), save=Errand("failed", "S3?", True)), (Forget("save"),), "Interrupted"),
    ("no bucket", GOING_TOLD, SPOT, seen(exited(143), save=Errand("failed", "ClientError: x")), (), "Failed"),
    ("checkpoints are out", GOING_TOLD, SPOT, seen(exited(143), save=DONE), (), "Interrupted"),
    ("begins anew", SAVED, SPOT, seen(exited(143), save=DONE), (Reset(),), "Starting"),
    ("begins anew after a restart of control, half removed", SAVED, SPOT, Sight(), (Reset(),), "Starting"),
    ("data came in", leaving.interrupted(DOWNLOADING, "x"), SPOT, Sight(placed=True, download=RUNNING), (), "Interrupted"),
    ("is being started", leaving.interrupted(DOWNLOADING, "x"), SPOT, Sight(placed=True, start=RUNNING), (), ""),
    ("stop while it goes", progress.stopping(GOING_TOLD, "Stopped", T0 + 7), SPOT, seen(exited(143), save=RUNNING), (), ""),
    (
        "stop once it has gone",
        progress.stopping(GOING_TOLD, "Stopped", T0 + 7),
        SPOT,
        seen(exited(143), save=DONE),
        (Upload(wanted=True),),
        "Uploading",
    ),
    ("lost, to be retried", TRAINING, RETRY, seen(Instance("lost")), (), "Training"),
    ("failed, not to be retried", TRAINING, RETRY, seen(exited(1)), (Upload(wanted=False),), "Uploading"),
    ("what was lost is saved", RETRIED, RETRY, seen(Instance("lost")), (Save(),), "Training"),
    ("and begins anew", leaving.saved(RETRIED), RETRY, Sight(), (Reset(),), "Starting"),
    (
        "an error of ours before the start",
        DOWNLOADING,
        RETRY,
        Sight(placed=True, download=Errand("failed", "InternalServerError: y")),
        (),
        "Downloading",
    ),
    ("no data", DOWNLOADING, RETRY, Sight(placed=True, download=Errand("failed", "ClientError: y")), (), "Failed"),
    ("a pool that fits", STARTING, {}, Sight(pool="other", waiting="Waiting."), (Claim("other"),), ""),
    ("a pool that is about to be there", STARTING, {}, Sight(pool_soon=True), (), ""),
    ("no capacity ever", STARTING, {}, Sight(refusal="CapacityError: x"), (), "Failed"),
]


@pytest.mark.parametrize(
    ("status", "spec", "sight", "actions", "secondary"), [row[1:] for row in LEAVING], ids=[row[0] for row in LEAVING]
)
def test_leaving(
    status: Mapping[str, Any], spec: Mapping[str, Any], sight: Sight, actions: tuple[Any, ...], secondary: str
) -> None:
    """DG model-managed-spot-training-status, API RetryStrategy, DG train-warm-pools."""
    result = plan(job(status, **spec), sight, T0 + 10)
    assert result.actions == actions
    assert result.due is not None
    assert (result.status or {}).get("SecondaryStatus", "") == secondary


def test_an_interrupted_job_gets_two_minutes() -> None:
    assert plan(job(GOING_TOLD, **SPOT), seen(UP, placed=True), T0 + 125.9).actions == (Watch(),)
    assert plan(job(GOING_TOLD, **SPOT), seen(UP, placed=True), T0 + 126).actions == (Signal(signal.SIGKILL), Watch())


def test_what_all_attempts_together_may_take() -> None:
    """API StoppingCondition: MaxRuntimeInSeconds "for all of the attempts in total"; MaxWaitTimeInSeconds with the waiting."""
    again = leaving.restarted(SAVED, SPOT, T0 + 1000)
    assert again["Run"] == {"Interruptions": 1, "Spent": 1000.0}
    assert plan(job(again, **SPOT), Sight(waiting="Waiting."), T0 + 7199).state == "InProgress"
    assert _stop(plan(job(again, **SPOT), Sight(waiting="Waiting."), T0 + 7200)) == "MaxWaitTimeExceeded"
    second = progress.begun(again, "job/algo-1-1800003000", "", T0 + 3000)
    assert second["TrainingStartTime"] == T0
    assert plan(job(second, **SPOT), Sight(placed=True, download=RUNNING), T0 + 5599).state is None
    assert _stop(plan(job(second, **SPOT), Sight(placed=True, download=RUNNING), T0 + 5600)) == "MaxRuntimeExceeded"
    assert _stop(plan(job(GOING_TOLD, **SPOT), seen(UP, placed=True), T0 + 7200)) == "MaxRuntimeExceeded"


def _stop(result: Any) -> str:
    assert result.state == "Stopping"
    return str(result.status["Run"]["Stop"]["Why"])


def test_retries_are_counted() -> None:
    """API RetryStrategy: MaximumRetryAttempts."""
    reason = "InternalServerError: x"
    once = {**TRAINING, "Run": {**TRAINING["Run"], "Retries": 1}}
    assert leaving.may_retry(RETRY, once, reason)
    twice = {**TRAINING, "Run": {**TRAINING["Run"], "Retries": 2}}
    assert not leaving.may_retry(RETRY, twice, reason)
    assert not leaving.may_retry({}, TRAINING, reason)
    assert not leaving.may_retry(RETRY, TRAINING, "AlgorithmError: x")


def test_billable_seconds_of_spot_instances() -> None:
    """API DescribeTrainingJob: BillableTimeInSeconds below TrainingTimeInSeconds are the savings."""
    result = plan(job(DONE_WELL, **SPOT), seen(exited(0), upload=DONE, price=0.3), T0 + 100)
    assert result.status is not None
    assert (result.status["TrainingTimeInSeconds"], result.status["BillableTimeInSeconds"]) == (100, 30)


def test_metrics_of_earlier_attempts_stay_until_there_are_newer() -> None:
    before = progress.measured({}, ({"MetricName": "a", "Value": 1.0}, {"MetricName": "b", "Value": 2.0}))
    after = progress.measured(before, ({"MetricName": "b", "Value": 3.0},))
    assert [metric["Value"] for metric in after["FinalMetricDataList"]] == [1.0, 3.0]


def test_the_life_of_a_warm_pool() -> None:
    """DG train-warm-pools, and API WarmPoolStatus: ResourceRetainedBillableTimeInSeconds."""
    kept = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "KeepAlivePeriodInSeconds": 60}}
    begun = plan(job(STARTING, **kept), Sight(keeps=True), T0).status
    assert begun is not None
    assert (begun["WarmPoolStatus"], begun["Run"]["Pool"]) == ({"Status": "InUse"}, f"job-{int(T0)}")
    over = warm_pool.freed({**begun, "TrainingJobStatus": "Completed"}, kept, T0 + 100)
    waiting = plan(job(over, **kept), Sight(), T0 + 159)
    assert (waiting.actions, waiting.status, waiting.due) == ((Keep(),), None, T0 + 160)
    ended = plan(job(over, **kept), Sight(), T0 + 160).status
    assert ended is not None
    assert ended["WarmPoolStatus"] == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}
    assert plan(job(ended, **kept), Sight(), T0 + 161).actions == (Remove(),)
    settled = progress.settled(begun, {"Status": "Completed", "Secondary": "Completed"}, "", T0 + 90)
    assert plan(job(settled, **kept), seen(exited(0), upload=DONE), T0 + 100).actions == (Announce(),)
    assert warm_pool.extended(over, 600)["Run"]["Until"] == T0 + 700
