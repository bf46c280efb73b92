"""Deployments of endpoints, step by step over a clock of their own: features K10 (canary, linear, rolling, auto-rollback) and K09.

Developer Guide deployment-guardrails and its pages; API DeploymentConfig, PendingDeploymentSummary, DescribeEndpoint."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from support.rollouts import CRASHED, HEALTHY, NOW, Play, blue_green, instances, percent, rolling, variant

from sagewright.features.hosting.deployment import Fleet
from sagewright.features.hosting.deployment_rules import check_alarms, check_deployment, check_sizes
from sagewright.features.hosting.exclusions import in_force
from sagewright.features.hosting.policy import Policy
from sagewright.wire.errors import Fault

SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}


def four(name: str = "AllTraffic", *, served: bool = False) -> Any:
    return (variant(name, 4, served=served),)


def play(config: dict[str, Any], count: int = 4) -> Play:
    return Play(config, (variant(count=count, served=True),), (variant(count=count),))


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        ({}, [1.0]),
        (blue_green("ALL_AT_ONCE", 60), [1.0]),
        (blue_green("CANARY", 60, CanarySize=percent(10)), [0.1, 1.0]),
        (blue_green("CANARY", 60, CanarySize=instances(1)), [0.25, 1.0]),
        (blue_green("LINEAR", 60, LinearStepSize=percent(33)), [0.33, 0.66, 0.99, 1.0]),
        (blue_green("LINEAR", 60, LinearStepSize=instances(2)), [0.5, 1.0]),
        (rolling(percent(50), 60), [0.5, 1.0]),
        (rolling(percent(5), 60), [0.25, 0.5, 0.75, 1.0]),
        (rolling(instances(3), 60), [0.75, 1.0]),
    ],
)
def test_the_shares_of_a_policy(config: dict[str, Any], shares: list[float]) -> None:
    policy = Policy.of(config)
    assert policy.steps([4]) == len(shares)
    assert [policy.share(4, step + 1) for step in range(len(shares))] == pytest.approx(shares)


class TestBlueGreen:
    def test_a_canary_bakes_then_all_calls_move_and_bake_then_the_old_fleet_leaves(self) -> None:
        run = play(blue_green("CANARY", wait=60, end=30, CanarySize=percent(25)))
        run.look = lambda place: HEALTHY if place.generation == 1 else replace(HEALTHY, healthy=False)
        run.settle()
        assert (run.stage, run.words, run.shares, run.counts) == ("Creating", "Launching 4 instance(s).", [0.0], (4, 4))
        run.look = lambda _: HEALTHY
        run.turn()
        assert (run.stage, run.words) == ("ActivatingTraffic", "Activating traffic on canary capacity of 1 instance(s).")
        run.settle()
        assert (run.stage, run.shares) == ("Baking", [0.25])
        assert (
            run.words
            == "Baking for 60 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."
        )
        pending = run.row.status["PendingDeploymentSummary"]
        assert pending["StartTime"] == NOW
        assert pending["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        assert pending["ProductionVariants"][0]["DesiredInstanceCount"] == 4
        assert run.publish is not None
        assert run.publish.variants[0].green is not None
        assert [place.index for place, _ in run.publish.variants[0].green.replicas] == [0]
        assert run.after(59).shares == [0.25]
        assert run.after(1).shares == [1.0]
        assert (
            run.words
            == "Baking for 30 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s)."
        )
        assert (run.row.state, run.counts) == ("Updating", (4, 4)), "until the end the old fleet could serve again"
        run.after(30)
        assert (run.row.state, run.row.status["EndpointConfigName"]) == ("InService", "config-2")
        assert len(run.deployment.leaving) == 4
        assert "PendingDeploymentSummary" not in run.row.status

    def test_linear_steps_each_bake(self) -> None:
        run = play(blue_green("LINEAR", wait=10, LinearStepSize=percent(40)))
        run.settle()
        shares = [run.shares[0]]
        while run.row.state == "Updating":
            shares += run.after(10).shares
        assert shares == [0.4, 0.8, 0.0], "the last step has no bake, so the new fleet is the only one"
        assert run.now == NOW + 20
        assert run.row.status["EndpointConfigName"] == "config-2"

    def test_each_variant_has_the_share_of_its_own_instances(self) -> None:
        old = (variant("a", 4, served=True), variant("b", 2, served=True))
        run = Play(blue_green("CANARY", 60, CanarySize=instances(1)), old, (variant("a", 4), variant("b", 2)))
        run.settle()
        assert run.shares == [0.25, 0.5]

    @pytest.mark.parametrize("elapsed", [0, 59, 61])
    def test_an_alarm_in_any_bake_takes_all_calls_back(self, elapsed: int) -> None:
        run = play(blue_green("CANARY", wait=60, end=60, CanarySize=percent(25)))
        run.settle()
        run.after(elapsed)
        run.alarms = ("high",)
        run.turn()
        assert (run.row.state, run.shares) == ("RollingBack", [0.0])
        assert run.counts == (4, 0)
        run.settle()
        assert (run.row.state, run.row.status["EndpointConfigName"]) == ("InService", "config-1")
        assert run.row.status["FailureReason"].endswith("state ALARM: high.")
        assert run.deployment.rollout is None
        run.alarms = ()
        run.after(100)
        assert run.deployment.leaving == ()
        assert run.row.state == "InService"

    def test_an_alarm_before_the_first_call_is_of_no_interest(self) -> None:
        """Alarms are monitored in baking periods (DG deployment-guardrails-configuration)."""
        run = play(blue_green("CANARY", wait=60, CanarySize=percent(25)))
        run.look = lambda place: HEALTHY if place.generation == 1 else replace(HEALTHY, healthy=False)
        run.alarms = ("high",)
        run.settle()
        assert run.row.state == "Updating"

    def test_a_deployment_that_takes_too_long_goes_back(self) -> None:
        run = play(blue_green("CANARY", wait=500, end=0, timeout=600, CanarySize=percent(25)))
        run.look = lambda place: HEALTHY if place.generation == 1 else replace(HEALTHY, healthy=False)
        run.settle()
        run.after(200)
        run.look = lambda _: HEALTHY
        run.settle()
        assert run.shares == [0.25]
        run.after(400)
        assert (run.row.state, run.shares) == ("InService", [0.0])
        assert "MaximumExecutionTimeoutInSeconds (600 seconds)" in run.row.status["FailureReason"]

    def test_a_new_replica_that_fails_in_a_bake_takes_all_calls_back(self) -> None:
        run = play(blue_green("CANARY", wait=60, CanarySize=percent(50)))
        run.settle()
        run.look = lambda place: CRASHED if place.generation == 2 else HEALTHY
        run.after(1)
        for _ in range(5):
            run.after(5)
        assert (run.row.state, run.shares) == ("InService", [0.0])
        assert "exit code 1" in run.row.status["FailureReason"]

    def test_other_variant_names_fall_back_to_all_at_once_without_a_bake(self) -> None:
        """DG deployment-guardrails-exclusions."""
        run = Play(blue_green("CANARY", 60, 60, CanarySize=percent(10)), four(served=True), four("other"))
        run.settle()
        assert (run.row.state, run.now) == ("InService", NOW)

    @pytest.mark.parametrize("change", [{"instance_type": "ml.inf1.xlarge"}, {"container": {}}])
    def test_what_is_excluded_falls_back_as_well(self, change: dict[str, Any]) -> None:
        """DG deployment-guardrails-exclusions, deployment-guardrails; a container that is none hosts inference components."""
        config = blue_green("CANARY", 60, 60, CanarySize=percent(10))
        run = Play(config, (variant(served=True),), (replace(variant(), **change),))
        run.settle()
        assert (run.row.state, run.now) == ("InService", NOW)

    def test_serverless_variants_are_excluded(self) -> None:
        """DG deployment-guardrails: for real-time and asynchronous endpoints."""
        config = blue_green("CANARY", 60, CanarySize=percent(10))
        old, new = Fleet(1, "c", (variant(),)), Fleet(2, "d", (replace(variant(), serverless=SERVERLESS),))
        assert in_force(config, old, new) == {}
        assert in_force(config, old, old) == config

    def test_nothing_but_the_row_is_needed_to_go_on(self) -> None:
        """Every look starts from the row alone; the same row and world give the same plan."""
        run = play(blue_green("LINEAR", wait=10, end=5, LinearStepSize=percent(50)))
        for _ in range(40):
            row, now = run.row, run.now
            first = run.turn()
            run.row, run.now = row, now
            assert run.turn() == first
            run.now += 1
        assert run.row.state == "InService"


class TestRolling:
    def test_batches_come_up_bake_and_as_many_old_ones_leave(self) -> None:
        run = play(rolling(percent(25), wait=10))
        run.settle()
        seen = [(run.shares[0], run.counts)]
        while run.row.state == "Updating":
            run.after(10)
            seen.append((run.shares[0], run.counts))
        assert seen == [(0.25, (4, 1)), (0.5, (3, 2)), (0.75, (2, 3)), (1.0, (1, 4)), (0.0, (4, 0))]
        assert run.row.status["EndpointConfigName"] == "config-2"

    def test_a_fleet_of_another_size(self) -> None:
        run = Play(rolling(instances(2), wait=10), (variant(count=2, served=True),), (variant(count=5),))
        run.settle()
        seen = [run.counts]
        while run.row.state == "Updating":
            seen.append(run.after(10).counts)
        assert seen == [(2, 2), (2, 4), (1, 5), (5, 0)]

    def test_an_alarm_brings_the_whole_old_fleet_back_at_once(self) -> None:
        run = play(rolling(percent(25), wait=10))
        run.settle()
        run.after(10)
        run.after(10)
        assert run.counts == (2, 3)
        run.alarms = ("high",)
        run.look = lambda place: HEALTHY if place.generation == 2 or place.index < 2 else replace(HEALTHY, healthy=False)
        run.settle()
        assert (run.row.state, run.stage) == ("RollingBack", "Deleting")
        assert run.counts == (4, 2)
        assert run.shares == [0.5], "it cannot take more than it has instances for"
        run.look = lambda _: HEALTHY
        run.settle()
        assert (run.row.state, run.counts, run.shares) == ("InService", (4, 0), [0.0])
        assert run.row.status["FailureReason"].endswith("high.")

    def test_the_way_back_in_batches(self) -> None:
        run = play(rolling(percent(25), wait=10, back=instances(1)))
        run.settle()
        run.after(10)
        run.after(10)
        run.alarms = ("high",)
        seen = []
        while run.row.state != "InService":
            run.turn()
            seen.append(run.counts)
        assert seen[0] == (2, 3)
        assert (3, 2) in seen
        assert seen[-1] == (4, 0)

    def test_a_rollback_that_cannot_succeed_leaves_a_mix_in_service(self) -> None:
        """API DescribeEndpoint: UpdateRollbackFailed; the next update ends it."""
        run = play(rolling(percent(50), wait=10))
        run.settle()
        run.after(10)
        assert run.counts == (2, 4)
        run.alarms = ("high",)
        run.turn()
        run.look = lambda place: CRASHED if place.generation == 1 and place.index > 1 else HEALTHY
        for _ in range(10):
            run.now += 5
            run.turn()
        assert run.row.state == "UpdateRollbackFailed"
        assert "high. The rollback failed: The primary container" in run.row.status["FailureReason"]
        assert run.publish is not None
        assert 0.0 < run.shares[0] < 1.0
        assert run.publish.variants[0].replicas
        run.alarms, run.look = (), lambda _: HEALTHY
        run.after(100)
        assert run.row.state == "UpdateRollbackFailed"
        run.wanted = replace(run.wanted, generation=3, config="config-3")
        run.row = replace(run.row, state="Updating", spec={"Generation": 3})
        run.settle()
        assert (run.row.state, run.row.status["EndpointConfigName"]) == ("InService", "config-3")
        assert "FailureReason" not in run.row.status

    def test_several_variants_fall_back_to_all_at_once(self) -> None:
        """DG deployment-guardrails-exclusions."""
        old = (variant("a", served=True), variant("b", served=True))
        run = Play(rolling(percent(50), 60), old, (variant("a"), variant("b")))
        run.settle()
        assert (run.row.state, run.now) == ("InService", NOW)


class TestAfterwards:
    def test_an_endpoint_whose_update_failed_can_be_resized(self) -> None:
        """K08, K16: what runs is the fleet of an earlier generation than the one asked for last."""
        run = play(blue_green("CANARY", wait=60, CanarySize=percent(25)))
        run.settle()
        run.alarms = ("high",)
        run.settle()
        run.row = replace(
            run.row, state="Updating", spec={**run.row.spec, "Desired": {"AllTraffic": {"DesiredInstanceCount": 5}}}
        )
        run.settle()
        assert (run.row.state, run.counts) == ("InService", (5, 0))

    def test_instances_that_do_not_come_up_are_given_up_again(self) -> None:
        """API DescribeEndpoint: RollingBack, of UpdateEndpointWeightsAndCapacities."""
        run = Play({}, (variant("a", 1, served=True), variant("b", 2, 1.0, served=True)), (variant("a"), variant("b", 2)))
        run.settle()
        wishes = {"a": {"DesiredInstanceCount": 3, "DesiredWeight": 5.0}}
        run.row = replace(run.row, state="Updating", spec={**run.row.spec, "Desired": wishes, "Wish": 1})
        run.look = lambda place: CRASHED if place.index > 1 else HEALTHY
        run.turn()
        (entry, _) = run.row.status["ProductionVariants"]
        assert entry["VariantStatus"][0] == {
            "Status": "Updating",
            "StatusMessage": "Scaling out desired instance count to 3.",
            "StartTime": NOW,
        }
        states = []
        for _ in range(8):
            run.now += 5
            run.turn()
            states.append(run.row.state)
        assert states[-1] == "InService"
        assert "RollingBack" in states
        assert "exit code 1" in run.row.status["FailureReason"]
        assert [(entry["CurrentInstanceCount"], entry["CurrentWeight"]) for entry in run.row.status["ProductionVariants"]] == [
            (1, 1.0),
            (2, 1.0),
        ]
        run.look = lambda _: HEALTHY
        run.after(100)
        assert run.counts == (3, 0), "what could not be had is not tried again"
        run.row = replace(run.row, state="Updating", spec={**run.row.spec, "Wish": 2})
        run.settle()
        assert (run.row.state, run.counts) == ("InService", (5, 0))
        assert "FailureReason" not in run.row.status

    def test_deletion_of_an_endpoint_between_two_fleets(self) -> None:
        run = play(blue_green("CANARY", wait=60, CanarySize=percent(25)))
        run.settle()
        run.row = replace(run.row, state="Deleting")
        run.turn()
        assert run.counts == (0, 0)
        assert len(run.deployment.leaving) == 8
        assert run.turn().remove


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**blue_green("ALL_AT_ONCE"), **rolling(percent(50))}, "Only one update policy"),
        (blue_green("CANARY"), "CanarySize is required"),
        (blue_green("LINEAR"), "LinearStepSize is required"),
        (blue_green("ALL_AT_ONCE", CanarySize=percent(10)), "CanarySize cannot be specified"),
        (blue_green("CANARY", CanarySize=percent(51)), "CanarySize of 51% is not allowed; it must be at most 50%"),
        (blue_green("LINEAR", LinearStepSize=percent(9)), "between 10% and 50%"),
        (blue_green("LINEAR", LinearStepSize=percent(51)), "between 10% and 50%"),
        (rolling(percent(4)), "between 5% and 50%"),
        (rolling(percent(51)), "between 5% and 50%"),
        (rolling(percent(50), back=percent(101)), "RollbackMaximumBatchSize of 101%"),
        (blue_green("CANARY", 500, 200, 600, CanarySize=percent(10)), "must be larger than the total waiting time"),
        (rolling(percent(50), 600, timeout=600), "must be larger than the total waiting time"),
    ],
)
def test_what_a_deployment_may_not_say(config: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_deployment({"DeploymentConfig": config})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (blue_green("CANARY", CanarySize=instances(3)), "CanarySize of 3 instance.s. is 75% of the 4 instance.s. of variant a"),
        (blue_green("LINEAR", LinearStepSize=instances(3)), "between 10% and 50%"),
        (rolling(instances(3)), "MaximumBatchSize of 3"),
    ],
)
def test_numbers_of_instances_must_fit_the_variants(config: dict[str, Any], words: str) -> None:
    check_deployment({"DeploymentConfig": config})
    with pytest.raises(Fault, match=words):
        check_sizes(config, {"a": 4})
    check_sizes(config, {"a": 6})


def test_alarms_must_exist() -> None:
    with pytest.raises(Fault, match="Could not find the CloudWatch alarm"):
        check_alarms(blue_green("ALL_AT_ONCE"), {})
    check_alarms(blue_green("ALL_AT_ONCE"), {"high": "INSUFFICIENT_DATA"})


def test_without_a_timeout_there_is_none() -> None:
    assert Policy.of({}).timeout == math.inf
