"""The plan of a processing job, as a table: for every state and everything that can be seen, what is done and what is written.

Holds API DescribeProcessingJob, StopProcessingJob, ProcessingStoppingCondition, DG byoc-run-image and byoc-metadata. Feature rows A12, C01.
"""

import signal
from collections.abc import Mapping
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.compute.runtime import Observed as Instance
from sagewright.features.processing import outcome
from sagewright.features.processing.message import ExitMessage
from sagewright.features.processing.outcome import PROGRESS
from sagewright.features.processing.plan import COURSE, created
from sagewright.features.processing.sight import Sight
from sagewright.jobs.sight import Download, Failure, Forget, Remove, Reserve, Signal, Start, Upload, Watch
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

T0 = 1_800_000_000.0
RUNNING, DONE = Errand("running"), Errand("done")
REFUSED, AWAY = Errand("failed", "ClientError: x"), Errand("failed", "S3?", retry=True)
UP, GONE = Instance("running", started=T0 + 5), Instance("missing")
WORLD = World("123456789012", "us-east-1")


def job(status: Mapping[str, Any], state: str = "", **spec: Any) -> Resource:
    spec = {"ProcessingJobName": "job", "StoppingCondition": {"MaxRuntimeInSeconds": 3600}, **spec}
    state = state or status["ProcessingJobStatus"]
    return Resource(WORLD, "ProcessingJob", "job", name="job", state=state, spec=spec, status=status, created=T0)


def exited(code: int, reason: str = "") -> Instance:
    return Instance("exited", code, reason, started=T0 + 5, ended=T0 + 9)


def seen(*instances: Instance, **more: Any) -> Sight:
    """A look at containers, the first failed one of which is to blame."""
    failed = [one for one in instances if one.state == "lost" or (one.state == "exited" and (one.code or one.reason))]
    return Sight(instances, Failure(failed[0]) if failed else None, **more)


NEW = created()
BEGUN = PROGRESS.begun(NEW, "job/algo-1-1800000000", T0)
STOPPING = PROGRESS.stopping(BEGUN)
TOLD = PROGRESS.signalled(STOPPING, T0 + 6)
LEFT = PROGRESS.abandoned(BEGUN, T0 + 6)
WELL = PROGRESS.settled(BEGUN, {"Status": "Completed", "ExitMessage": "said"})
BADLY = PROGRESS.settled(BEGUN, {"Status": "Failed", "FailureReason": "AlgorithmError: x"})
FREE = {"placed": True}

TABLE: list[tuple[str, Mapping[str, Any], Sight, tuple[Any, ...], str]] = [
    # what is seen, status, sight, actions, status written (empty: nothing is written)
    ("a free machine takes the job", NEW, Sight(), (Reserve(), Download()), "InProgress"),
    ("a full machine makes it wait", NEW, Sight(waiting="Waiting."), (), ""),
    ("control is new and the job downloads", BEGUN, Sight(), (Reserve(), Download()), ""),
    ("no download yet", BEGUN, Sight(**FREE), (Download(),), ""),
    ("the download runs", BEGUN, Sight(**FREE, download=RUNNING), (), ""),
    ("the download is done", BEGUN, Sight(**FREE, download=DONE), (Start(),), ""),
    ("the start runs", BEGUN, Sight(**FREE, download=DONE, start=RUNNING), (), ""),
    ("the start left no trace", BEGUN, Sight(**FREE, download=DONE, start=DONE), (), "Failed"),
    ("there is no such data", BEGUN, Sight(**FREE, download=REFUSED), (), "Failed"),
    ("S3 is away", BEGUN, Sight(**FREE, download=AWAY), (Forget("download"),), ""),
    ("the machine refuses for a while", BEGUN, Sight(**FREE, download=DONE, start=AWAY), (Forget("start"),), ""),
    ("it runs", BEGUN, seen(UP, **FREE), (Watch(),), ""),
    ("control is new and it runs", BEGUN, seen(UP), (Reserve(adopted=True), Watch()), ""),
    ("a save was lost", NEW, seen(UP), (), "InProgress"),
    ("one of two is not started yet", BEGUN, seen(UP, GONE, **FREE, download=DONE, start=RUNNING), (), ""),
    ("one of two is not started any more", BEGUN, seen(UP, GONE, **FREE, download=DONE), (Start(),), ""),
    ("it ended well", BEGUN, seen(exited(0), **FREE), (Upload(wanted=True),), "InProgress"),
    ("it ended badly", BEGUN, seen(exited(1), **FREE), (Upload(wanted=False),), "InProgress"),
    ("it is lost", BEGUN, seen(Instance("lost"), **FREE), (Upload(wanted=False),), "InProgress"),
    ("one of two failed", BEGUN, seen(UP, exited(1), **FREE), (Signal(signal.SIGTERM), Watch()), "InProgress"),
    ("the other was told", LEFT, seen(UP, exited(1), **FREE), (Watch(),), ""),
    ("stop was asked for", STOPPING, seen(UP, **FREE), (Signal(signal.SIGTERM), Watch()), "Stopping"),
    ("stop, and the user's process knows", TOLD, seen(UP, **FREE), (Watch(),), ""),
    ("stop before anything ran", PROGRESS.stopping(NEW), Sight(), (), "Stopped"),
    ("stop while data come in", STOPPING, Sight(**FREE, download=RUNNING), (), "Stopped"),
    ("stopped, and it ended by itself", TOLD, seen(exited(0), **FREE), (Upload(wanted=False),), "Stopping"),
    ("outputs were not begun", WELL, seen(exited(0)), (Upload(wanted=True),), ""),
    ("outputs go out", WELL, seen(exited(0), upload=RUNNING), (), ""),
    ("outputs wait for S3", WELL, seen(exited(0), upload=AWAY), (Forget("upload"),), ""),
    ("outputs are out", WELL, seen(exited(0), upload=DONE), (), "Completed"),
    ("outputs cannot go out", WELL, seen(exited(0), upload=REFUSED), (), "Failed"),
    ("the log of a failed job is out", BADLY, seen(exited(1), upload=DONE), (), "Failed"),
    ("the outputs of a failed job cannot go out", BADLY, seen(exited(1), upload=REFUSED), (), "Failed"),
]


@pytest.mark.parametrize(("name", "status", "sight", "actions", "written"), TABLE, ids=[row[0] for row in TABLE])
def test_the_table(name: str, status: Mapping[str, Any], sight: Sight, actions: tuple[Any, ...], written: str) -> None:
    found = COURSE.plan(job(status), sight, T0 + 10)
    assert found.actions == actions
    assert (found.state or "") == written
    assert found.due is not None


def test_sigkill_comes_two_minutes_after_sigterm() -> None:
    assert COURSE.plan(job(TOLD), seen(UP, **FREE), T0 + 125.9).actions == (Watch(),)
    assert COURSE.plan(job(TOLD), seen(UP, **FREE), T0 + 126).actions == (Signal(signal.SIGKILL), Watch())


def test_max_runtime_stops_a_job_that_runs_and_one_that_downloads() -> None:
    for sight in (seen(UP, **FREE), Sight(**FREE, download=RUNNING)):
        found = COURSE.plan(job(BEGUN), sight, T0 + 3600)
        assert found.state == "Stopping"
        assert found.status is not None
        assert found.status["Run"]["Stop"] == {}


@pytest.mark.parametrize("state", ["Completed", "Failed", "Stopped"])
def test_what_is_over_is_removed_and_settled(state: str) -> None:
    found = COURSE.plan(job(WELL, state), seen(exited(0)), T0 + 10)
    assert (found.actions, found.due, found.status) == ((Remove(),), None, None)


def test_the_last_status() -> None:
    """API DescribeProcessingJob: ExitMessage, FailureReason and the end's time."""
    found = COURSE.plan(job(WELL), seen(exited(0), upload=DONE), T0 + 10).status
    assert found is not None
    assert (found["ExitMessage"], found["ProcessingEndTime"], found["ProcessingStartTime"]) == ("said", T0 + 10, T0)
    failed = COURSE.plan(job(BADLY), seen(exited(1), upload=DONE), T0 + 10).status
    assert failed is not None
    assert failed["FailureReason"] == "AlgorithmError: x"


def test_a_stop_while_outputs_go_out_ends_as_stopped_unless_it_failed() -> None:
    assert PROGRESS.stop_requested(WELL, T0)["Run"]["Outcome"]["Status"] == "Stopped"
    assert PROGRESS.stop_requested(BADLY, T0)["Run"]["Outcome"]["Status"] == "Failed"


def test_outcomes() -> None:
    said = ExitMessage("words")
    assert outcome.of(None, False, said) == {"Status": "Completed", "ExitMessage": "words"}
    assert outcome.of(Failure(exited(1)), True, said) == {"Status": "Stopped", "ExitMessage": "words"}
    assert outcome.of(None, False, ExitMessage(readable=False))["FailureReason"] == outcome.UNREADABLE
    reason = outcome.of(Failure(exited(2), last_lines="no such file"), False, said)["FailureReason"]
    assert reason.startswith("AlgorithmError: See job logs for more information. ")
    assert reason.endswith("exit code: 2. Last log lines: no such file")
