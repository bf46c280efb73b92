"""Rolling updates of inference components, step by step (K06, K11; API InferenceComponentRollingUpdatePolicy)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness import WORLD

from sagewright.compute.runtime import Observed
from sagewright.features.components.copies import Copies, Crew, Rollout
from sagewright.features.components.plan import DRAIN_SECONDS, plan
from sagewright.features.components.rules import check_alarms, check_batch, check_deployment
from sagewright.features.components.sight import Publish, Sight
from sagewright.kernel.controller import Plan
from sagewright.serving.room import claim_of
from sagewright.serving.step import Slot
from sagewright.serving.unit import Seen
from sagewright.store.rows import Resource
from sagewright.wire.errors import Fault

DEFINITION = {"StartupTimeout": 240, "Variant": "v", "Container": {"Image": "i"}, "Specification": {"ModelName": "old"}}
NEW = {**DEFINITION, "Specification": {"ModelName": "new"}}
COPIES = 4
WAIT = 60


def config(batch: int = 2, kind: str = "COPY_COUNT", **more: Any) -> dict[str, Any]:
    policy = {"MaximumBatchSize": {"Type": kind, "Value": batch}, "WaitIntervalInSeconds": WAIT, **more}
    return {"RollingUpdatePolicy": policy, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "high"}]}}


class World:
    """A component under update, its containers and the clock: ``look`` is one turn of the loop."""

    def __init__(self, deployment: dict[str, Any], copies: int = COPIES) -> None:
        active = Crew(1, DEFINITION, tuple(Slot(index, served=True) for index in range(copies)))
        spec = {
            "RuntimeConfig": {"CopyCount": copies},
            "Specification": {"ModelName": "new"},
            "Generation": 2,
            "DeploymentConfig": deployment,
        }
        status = {"Copies": Copies(active, generation=1).document()}
        self.row = Resource(WORLD, "InferenceComponent", "c", name="c", state="Updating", spec=spec, status=status)
        self.now = 1000.0
        self.alarms: tuple[str, ...] = ()
        self.broken = False

    def look(self, after: float = 0.0) -> Plan[Any]:
        self.now += after
        seen = {key: self._seen(key) for key in self.copies.attempts()}
        sight = Sight(seen, self.row.spec["RuntimeConfig"]["CopyCount"], Crew(2, NEW), "", self.alarms)
        made = plan(self.row, sight, self.now)
        self.row = replace(self.row, status=made.status or self.row.status, state=made.state or self.row.state)
        return made

    def _seen(self, key: Any) -> Seen:
        if self.broken and key[0] == 2:
            return Seen("failed", "no model")
        return Seen("ready", container=Observed("running", started=self.now - 10), healthy=True)

    @property
    def copies(self) -> Copies:
        return Copies.of(self.row.status)

    def counts(self) -> tuple[int, int]:
        """Old and new copies, leaving ones not counted."""
        found = self.copies
        crews = {crew.generation: len(crew.slots) for crew in (found.active, found.target) if crew}
        return crews.get(1, 0), crews.get(2, 0)


def published(made: Plan[Any]) -> list[int]:
    """The generations of the copies that get calls."""
    (found,) = [action for action in made.actions if isinstance(action, Publish)]
    return [key[0] for key in found.copies]


def test_batch_by_batch_with_a_bake_after_each() -> None:
    """There are never fewer copies than were asked for, and both kinds get calls."""
    world = World(config(batch=1))
    seen = []
    for _ in range(60):
        made = world.look(after=15)
        seen.append(world.counts())
        assert len(published(made)) >= COPIES or world.row.state == "InService"
        if world.row.state == "InService":
            break
    steps = [step for at, step in enumerate(seen) if at == 0 or step != seen[at - 1]]
    assert steps == [(4, 1), (3, 2), (2, 3), (1, 4), (0, 4)]
    assert world.now >= 1000 + 4 * WAIT
    assert world.row.status["Specification"] == {"ModelName": "new"}
    assert "FailureReason" not in world.row.status
    assert {leaving.generation for leaving in world.copies.leaving} == {1}


def test_a_batch_that_bakes_is_watched_and_an_alarm_takes_it_back() -> None:
    world = World(config(batch=2))
    world.look()
    made = world.look()
    assert (world.counts(), sorted(published(made))) == ((4, 2), [1, 1, 1, 1, 2, 2])
    assert made.due == world.now + 1
    world.look(after=WAIT)
    world.look()
    assert world.counts() == (2, 4)
    world.alarms = ("high",)
    world.look()
    for _ in range(8):
        world.look(after=1)
    assert world.row.state == "InService"
    assert world.counts() == (4, 0)
    assert "CloudWatch alarm(s) in state ALARM: high" in world.row.status["FailureReason"]
    assert world.row.status["Specification"] == {"ModelName": "old"}
    assert {leaving.stop_at > world.now - DRAIN_SECONDS for leaving in world.copies.leaving} == {True}


def test_nobody_else_gets_the_room_of_a_batch() -> None:
    """The places of old copies that have left are those of the new ones."""
    world = World(config(batch=2))
    while world.counts() != (2, 4):
        world.look(after=30)
    assert claim_of(world.row, "ml.m5.large").held >= COPIES


def test_the_way_back_goes_in_batches_too() -> None:
    world = World(config(batch=2, RollbackMaximumBatchSize={"Type": "COPY_COUNT", "Value": 1}))
    world.look()
    world.look()
    world.look(after=WAIT)
    world.look()
    assert world.counts() == (2, 4)
    world.alarms = ("high",)
    seen = []
    while world.row.state != "InService":
        world.look(after=1)
        seen.append(world.counts())
    steps = [step for at, step in enumerate(seen) if at == 0 or step != seen[at - 1]]
    assert steps == [(2, 4), (3, 2), (4, 1), (4, 0)]
    assert all(old + new >= COPIES for old, new in seen)


@pytest.mark.parametrize("trouble", ["time", "copy"])
def test_what_takes_too_long_or_cannot_start_goes_back(trouble: str) -> None:
    world = World(config(MaximumExecutionTimeoutInSeconds=600))
    world.broken = trouble == "copy"
    world.look()
    world.look()
    if trouble == "time":
        world.look(after=600)
    for _ in range(4):
        world.look(after=1)
    assert (world.row.state, world.counts()) == ("InService", (4, 0))
    words = {"time": "longer than MaximumExecutionTimeoutInSeconds (600 seconds)", "copy": "no model"}
    assert words[trouble] in world.row.status["FailureReason"]


def test_one_copy_is_replaced_by_one() -> None:
    world = World(config(batch=1), copies=1)
    world.look()
    world.look()
    assert world.counts() == (1, 1)
    world.look(after=WAIT)
    assert (world.row.state, world.counts()) == ("InService", (0, 1))


def test_without_a_policy_all_come_at_once() -> None:
    world = World({})
    world.look()
    assert world.counts() == (4, 4)
    assert world.copies.rollout is None


def test_the_rollout_is_kept_in_the_row() -> None:
    """What a killed control goes on with."""
    kept = Copies(rollout=Rollout(1.0, config(), 2, 3, 4.0, "because"))
    assert Copies.of({"Copies": kept.document()}) == kept


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (config(60, "CAPACITY_PERCENT"), "between 5% and 50%"),
        (config(3), "more than half of the 4 copies"),
        (config(RollbackMaximumBatchSize={"Type": "CAPACITY_PERCENT", "Value": 101}), "at most 100%"),
        (
            {"RollingUpdatePolicy": {**config()["RollingUpdatePolicy"], "MaximumExecutionTimeoutInSeconds": WAIT}},
            "must be larger",
        ),
    ],
)
def test_policies_that_cannot_be(deployment: dict[str, Any], words: str) -> None:
    """The limits are AWS's, the words ours."""

    def check() -> None:
        check_deployment({"DeploymentConfig": deployment})
        check_batch(deployment, COPIES)

    with pytest.raises(Fault, match=words):
        check()


def test_alarms_must_exist() -> None:
    check_alarms(["high"], {"high": "OK"})
    with pytest.raises(Fault, match="Could not find the CloudWatch alarm"):
        check_alarms(["high"], {})
