"""The plan of transform jobs, row by row, and how payloads are sent (feature K05; API CreateTransformJob)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.compute.runtime import Observed
from sagewright.features.transform.plan import plan
from sagewright.features.transform.progress import Blueprint, Result, Run
from sagewright.features.transform.settings import MIB, Sending, environment, parameters
from sagewright.features.transform.sight import Act, Clear, Halt, Reserve, Send, Sight
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.serving.step import GRACE_SECONDS, START_ATTEMPTS, Move, Slot
from sagewright.serving.unit import Seen
from sagewright.store.rows import Resource

NOW = 1_800_000_000.0
BLUEPRINT = Blueprint({"Image": "image:1"}, "role", 2)
READY = Seen(model="ready")
HEALTHY = Seen(model="ready", container=Observed("running", started=NOW - 5), healthy=True)
CRASHED = Seen(model="ready", container=Observed("exited", code=3, started=NOW - 1, ended=NOW))
WORKING = Errand("running")


def run(*slots: Slot, **changes: Any) -> Run:
    return replace(Run(BLUEPRINT, int(NOW), slots or (Slot(0, served=True), Slot(1, served=True))), **changes)


def row(state: str = "InProgress", at: Run | None = None, **status: Any) -> Resource:
    if at is not None:
        status["Run"] = at.document()
    return Resource(World("123456789012", "us-east-1"), "TransformJob", "j", state=state, status=status)


def kinds(planned: Plan[Any]) -> list[type | Move]:
    return [action.move if isinstance(action, Act) else type(action) for action in planned.actions]


def both(seen: Seen, **more: Any) -> Sight:
    return Sight((seen, seen), **more)


def test_the_first_look_keeps_the_model() -> None:
    planned = plan(row(), Sight(blueprint=BLUEPRINT), NOW)
    kept = Run.of(planned.status)
    assert kept is not None
    assert (kept.blueprint, len(kept.slots), planned.due) == (BLUEPRINT, 2, NOW)


def test_a_model_that_cannot_be_served_fails_the_job() -> None:
    planned = plan(row(), Sight(refusal="ClientError: no such model"), NOW)
    assert planned.state == "Failed"
    assert planned.status is not None
    assert planned.status["FailureReason"] == "ClientError: no such model"


@pytest.mark.parametrize(
    ("sight", "expected"),
    [
        (both(Seen(), placed=False), [Reserve]),
        (both(Seen(), placed=False, waiting="the machine is full"), []),
        (both(HEALTHY, placed=False, waiting="the machine is full"), [Reserve]),
        (both(Seen()), [Move.PREPARE, Move.PREPARE]),
        (both(Seen(model="coming")), []),
        (both(READY), [Move.START, Move.START]),
        (Sight((HEALTHY, READY)), [Move.START]),
        (both(HEALTHY), [Send]),
        (both(HEALTHY, work=WORKING), []),
        (both(HEALTHY, work=Errand("done")), [Send]),
        (Sight((HEALTHY, CRASHED), work=WORKING), [Halt, Move.DISCARD]),
        (both(HEALTHY, outcome={"objects": 1, "failures": []}), [Halt]),
    ],
)
def test_the_next_step(sight: Sight, expected: list[type | Move]) -> None:
    assert kinds(plan(row(at=run(Slot(0), Slot(1))), sight, NOW)) == expected


def test_an_adopted_job_gets_its_place_although_the_machine_is_full() -> None:
    (reserve,) = plan(row(at=run()), both(HEALTHY, placed=False, waiting="full"), NOW).actions
    assert reserve == Reserve(adopted=True)


def test_it_has_begun_when_the_objects_are_sent() -> None:
    planned = plan(row(at=run()), both(HEALTHY), NOW)
    assert planned.status is not None
    assert planned.status["TransformStartTime"] == NOW
    later = plan(row(at=run(), TransformStartTime=NOW), both(HEALTHY, work=WORKING), NOW + 60)
    assert later.status is None


@pytest.mark.parametrize(
    ("outcome", "state", "words"),
    [
        ({"objects": 3, "failures": []}, "Completed", ""),
        ({"objects": 3, "failures": ["b/k: ClientError: 400\n\nMessage:\nno"]}, "Failed", "ClientError: 1 of 3 input objects"),
    ],
)
def test_the_end_is_decided_then_the_containers_go_then_it_is_told(outcome: dict[str, Any], state: str, words: str) -> None:
    """Who sees the end of the job sees its whole log."""
    resource = row(at=run())
    decided = plan(resource, both(HEALTHY, outcome=outcome), NOW)
    assert decided.state is None
    assert decided.status is not None
    resource = replace(resource, status=decided.status)
    asked = plan(resource, both(HEALTHY), NOW)
    assert kinds(asked) == [Move.ASK, Move.ASK]
    assert asked.status is not None
    resource = replace(resource, status=asked.status)
    assert kinds(plan(resource, both(HEALTHY), NOW + 1)) == []
    assert kinds(plan(resource, both(HEALTHY), NOW + GRACE_SECONDS)) == [Move.KILL, Move.KILL]
    told = plan(resource, both(CRASHED), NOW + 2)
    assert kinds(told) == [Move.REMOVE, Move.REMOVE]
    assert told.state == state
    assert told.status is not None
    assert told.status["TransformEndTime"] == NOW + 2
    assert words in told.status.get("FailureReason", "")
    assert "Run" not in told.status
    last = plan(replace(resource, status=told.status, state=state), Sight(), NOW + 2)
    assert (kinds(last), last.due) == ([Clear], None)


def test_stopping_ends_the_work_and_the_containers() -> None:
    resource = row("Stopping", run())
    decided = plan(resource, both(HEALTHY, work=WORKING), NOW)
    assert kinds(decided) == [Halt]
    assert decided.status is not None
    kept = Run.of(decided.status)
    assert kept is not None
    assert kept.result == Result("Stopped")
    stopped = plan(replace(resource, status=decided.status), both(Seen()), NOW)
    assert stopped.state == "Stopped"


def test_a_job_that_is_stopped_before_it_began_is_over_at_once() -> None:
    assert plan(row("Stopping"), Sight(blueprint=BLUEPRINT), NOW).state == "Stopped"


@pytest.mark.parametrize(
    ("sight", "words"),
    [
        (both(HEALTHY, work=Errand("failed", "ClientError: No S3 objects found")), "ClientError: No S3 objects found"),
        (both(Seen(model="failed", problem="Failed to download model data")), "ClientError: Failed to download model data"),
        (both(CRASHED), "AlgorithmError: The container did not pass the ping health check"),
    ],
)
def test_what_ends_a_job_badly(sight: Sight, words: str) -> None:
    last = run(Slot(0, attempt=START_ATTEMPTS), Slot(1, attempt=START_ATTEMPTS))
    planned = plan(row(at=last), sight, NOW)
    kept = Run.of(planned.status)
    assert kept is not None
    assert kept.result is not None
    assert kept.result.state == "Failed"
    assert kept.result.reason.startswith(words)


def test_the_document_says_everything() -> None:
    full = run(Slot(0, 2, NOW, True), result=Result("Failed", "why"), asked=NOW)
    assert Run.of({"Run": full.document()}) == full


class TestSending:
    def test_defaults(self) -> None:
        """API: 6 MB, MultiRecord, one at a time, 600 seconds, 3 retries."""
        assert Sending.of({}, {}, 1) == Sending(6 * MIB, True, 1, 600.0, 3)

    def test_the_request_goes_before_the_container_and_the_container_before_the_default(self) -> None:
        said = {"MaxPayloadInMB": 2, "MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD"}
        assert Sending.of({}, said, 1) == Sending(2 * MIB, False, 8, 600.0, 3)
        asked = {"MaxPayloadInMB": 3, "MaxConcurrentTransforms": 4, "BatchStrategy": "MultiRecord"}
        client = {"ModelClientConfig": {"InvocationsTimeoutInSeconds": 5, "InvocationsMaxRetries": 0}}
        assert Sending.of({**asked, **client}, said, 1) == Sending(3 * MIB, True, 4, 5.0, 0)

    def test_all_payloads_under_way_fit_into_100_mb(self) -> None:
        assert Sending.of({"MaxPayloadInMB": 50}, {"MaxConcurrentTransforms": 8}, 1).concurrency == 2

    def test_zero_is_as_much_as_there_may_be(self) -> None:
        assert Sending.of({"MaxPayloadInMB": 0}, {}, 1).limit == 100 * MIB

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (200, b'{"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}', 3),
            (200, b'{"MaxConcurrentTransforms": "4", "BatchStrategy": "x", "MaxPayloadInMB": true}', 0),
            (200, b'{"MaxConcurrentTransforms": -1, "MaxPayloadInMB": 1000000}', 0),
            (404, b"", 0),
            (200, b"nonsense", 0),
            (200, b"[1]", 0),
            (200, b"[" * 100_000, 0),
        ],
    )
    def test_what_a_container_says_of_itself(self, status: int, body: bytes, expected: int) -> None:
        """DG your-algorithms-batch-code, execution-parameters; nonsense is no opinion."""
        assert len(parameters(status, body)) == expected

    def test_the_environment_of_a_batch(self) -> None:
        found = environment({"MaxPayloadInMB": 2, "BatchStrategy": "SingleRecord", "Environment": {"MINE": "1"}}, "job")
        assert found["SAGEMAKER_BATCH"] == "true"
        assert found["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "2"
        assert found["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"
        assert found["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] == "1"
        assert found["MINE"] == "1"
