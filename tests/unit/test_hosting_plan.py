"""The plan of endpoints, row by row: features K01, K02, K08, K10 (all at once) and the deployment states of DescribeEndpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.compute.runtime import Observed
from sagewright.features.hosting.capture import retained_capture
from sagewright.features.hosting.deployment import Deployment, Fleet, Place, VariantFleet
from sagewright.features.hosting.plan import DRAIN_SECONDS, plan
from sagewright.features.hosting.rollout import Rollout
from sagewright.features.hosting.sight import Act, Clear, Publish, Sight, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.serving.step import GRACE_SECONDS, SILENCE_SECONDS, START_ATTEMPTS, Move, Slot
from sagewright.serving.unit import Seen
from sagewright.store.rows import Resource

NOW = 1_800_000_000.0
RUNNING = Observed("running", started=NOW - 10)
READY = Seen(model="ready")
HEALTHY = Seen(model="ready", container=RUNNING, healthy=True)
STARTING = Seen(model="ready", container=RUNNING)
CRASHED = Seen(model="ready", container=Observed("exited", code=1, started=NOW - 1, ended=NOW))


def variant(name: str = "AllTraffic", count: int = 1, weight: float = 1.0, *, served: bool = False) -> VariantFleet:
    slots = tuple(Slot(index, served=served) for index in range(count))
    return VariantFleet(name, "model", {"Image": "image:1"}, weight, "ml.m5.large", slots=slots)


def fleet(generation: int = 1, *variants: VariantFleet) -> Fleet:
    return Fleet(generation, f"config-{generation}", variants or (variant(),))


def row(state: str, deployment: Deployment | None = None, **spec: Any) -> Resource:
    status = {} if deployment is None else {"Deployment": deployment.document()}
    return Resource(World("123456789012", "us-east-1"), "Endpoint", "e", state=state, spec=spec, status=status)


def serving(*variants: VariantFleet, generation: int = 1) -> Deployment:
    return Deployment(active=fleet(generation, *(variants or (variant(served=True),))), generation=generation)


def after(resource: Resource, planned: Plan[Any]) -> Resource:
    return replace(
        resource,
        status=resource.status if planned.status is None else planned.status,
        state=planned.state or resource.state,
    )


def kinds(planned: Plan[Any]) -> list[type | Move]:
    return [action.move if isinstance(action, Act) else type(action) for action in planned.actions]


def seen(deployment: Deployment, what: Seen) -> Sight:
    return Sight(dict.fromkeys(deployment.attempts(), what))


class TestCreation:
    def test_the_wanted_fleet_becomes_the_target_and_its_model_is_prepared(self) -> None:
        planned = plan(row("Creating"), Sight(wanted=fleet()), NOW)
        assert kinds(planned) == [Move.PREPARE]
        assert planned.status is not None
        assert planned.state is None
        assert planned.status["ProductionVariants"][0]["VariantStatus"] == [
            {"Status": "Creating", "StatusMessage": "Launching 1 instance(s).", "StartTime": NOW}
        ]

    def test_a_fleet_that_cannot_be_deployed_fails_the_endpoint_with_the_reason(self) -> None:
        planned = plan(row("Creating"), Sight(refusal="no such image"), NOW)
        assert planned.state == "Failed"
        assert planned.status is not None
        assert planned.status["FailureReason"] == "no such image"
        assert planned.due is None

    @pytest.mark.parametrize(
        ("what", "actions", "state"),
        [
            (Seen(), [Move.PREPARE], "Creating"),
            (Seen(model="coming"), [], "Creating"),
            (READY, [Move.START], "Creating"),
            (STARTING, [], "Creating"),
            (HEALTHY, [Publish], "InService"),
            (CRASHED, [Move.DISCARD], "Creating"),
            (Seen(model="ready", container=Observed("lost")), [Move.DISCARD], "Creating"),
            (Seen(model="failed", problem="no model"), [Move.REMOVE], "Failed"),
            (replace(STARTING, container=Observed("running", started=NOW - 241)), [Move.ASK], "Failed"),
        ],
    )
    def test_one_replica(self, what: Seen, actions: list[type | Move], state: str) -> None:
        deployment = Deployment(target=fleet(), generation=1)
        planned = plan(row("Creating", deployment), seen(deployment, what), NOW)
        assert kinds(planned) == actions
        assert after(row("Creating", deployment), planned).state == state

    def test_a_health_check_that_never_passes_has_the_words_of_aws(self) -> None:
        deployment = Deployment(target=fleet(), generation=1)
        late = replace(STARTING, container=Observed("running", started=NOW - 241))
        planned = plan(row("Creating", deployment), seen(deployment, late), NOW)
        assert planned.status is not None
        assert planned.status["FailureReason"].startswith(
            "The primary container for production variant AllTraffic did not pass the ping health check."
        )

    def test_a_container_that_ends_is_started_again_and_the_third_end_is_final(self) -> None:
        resource, deployment = row("Creating"), Deployment(target=fleet(), generation=1)
        resource = row("Creating", deployment)
        now = NOW
        for attempt in range(1, START_ATTEMPTS):
            planned = plan(resource, seen(deployment, CRASHED), now)
            resource = after(resource, planned)
            deployment = Deployment.of(resource.status)
            assert deployment.target is not None
            assert deployment.target.variants[0].slots[0].attempt == attempt + 1
            assert planned.due is not None
            now = planned.due
            assert kinds(plan(resource, seen(deployment, READY), now)) == [Move.START]
        planned = plan(resource, seen(deployment, CRASHED), now)
        assert planned.state == "Failed"
        assert planned.status is not None
        assert "exit code 1" in planned.status["FailureReason"]

    def test_it_serves_only_when_every_replica_is_healthy(self) -> None:
        deployment = Deployment(target=fleet(1, variant(count=2)), generation=1)
        sight = Sight({(Place(1, "AllTraffic", 0), 1): HEALTHY, (Place(1, "AllTraffic", 1), 1): STARTING})
        assert after(row("Creating", deployment), plan(row("Creating", deployment), sight, NOW)).state == "Creating"

    def test_a_new_control_finds_a_healthy_replica_and_goes_on(self) -> None:
        """Nothing but the row and the container is left after a crash; the answer is the same."""
        deployment = Deployment(target=fleet(), generation=1)
        first = plan(row("Creating", deployment), seen(deployment, HEALTHY), NOW)
        again = plan(row("Creating", deployment), seen(deployment, HEALTHY), NOW)
        assert first == again


class TestService:
    def test_nothing_changes_while_everything_serves(self) -> None:
        resource = after(row("InService", serving()), plan(row("InService", serving()), seen(serving(), HEALTHY), NOW))
        planned = plan(resource, seen(serving(), HEALTHY), NOW)
        assert planned.status is None
        assert kinds(planned) == [Publish]
        assert planned.due is not None

    def test_a_dead_replica_leaves_the_routes_and_is_restarted_while_the_other_serves(self) -> None:
        deployment = serving(variant(count=2, served=True))
        sight = Sight({(Place(1, "AllTraffic", 0), 1): HEALTHY, (Place(1, "AllTraffic", 1), 1): CRASHED})
        planned = plan(row("InService", deployment), sight, NOW)
        assert kinds(planned) == [Move.DISCARD, Publish]
        (publish,) = (action for action in planned.actions if isinstance(action, Publish))
        assert publish.variants[0].replicas == ((Place(1, "AllTraffic", 0), 1),)
        resource = after(row("InService", deployment), planned)
        assert resource.state == "InService"
        assert planned.due is not None
        restarted = plan(
            resource, Sight({(Place(1, "AllTraffic", 0), 1): HEALTHY, (Place(1, "AllTraffic", 1), 2): READY}), planned.due
        )
        assert kinds(restarted) == [Move.START, Publish]

    def test_it_is_restarted_for_ever(self) -> None:
        slot = Slot(0, attempt=500, served=True)
        deployment = serving(replace(variant(), slots=(slot,)))
        planned = plan(row("InService", deployment), seen(deployment, CRASHED), NOW)
        assert Deployment.of(planned.status).active is not None
        assert planned.due is not None
        assert planned.due <= NOW + 60

    def test_a_container_that_answers_no_more_pings_is_killed(self) -> None:
        silent = replace(HEALTHY, healthy=False, silent=SILENCE_SECONDS + 1)
        planned = plan(row("InService", serving()), seen(serving(), silent), NOW)
        assert kinds(planned) == [Move.KILL, Publish]

    def test_new_weights_are_published_at_once(self) -> None:
        """K08: UpdateEndpointWeightsAndCapacities."""
        deployment = serving(variant("a", served=True), variant("b", served=True))
        resource = row("Updating", deployment, Desired={"b": {"DesiredWeight": 9.0}})
        planned = plan(resource, seen(deployment, HEALTHY), NOW)
        (publish,) = planned.actions
        assert isinstance(publish, Publish)
        assert [routed.variant.weight for routed in publish.variants] == [1.0, 9.0]
        assert planned.state == "InService"

    def test_more_instances_come_up_beside_those_that_serve(self) -> None:
        resource = row("Updating", serving(), Desired={"AllTraffic": {"DesiredInstanceCount": 2}})
        planned = plan(resource, seen(serving(), HEALTHY), NOW)
        assert kinds(planned) == [Move.PREPARE, Publish]
        resource = after(resource, planned)
        assert resource.state == "Updating"
        deployment = Deployment.of(resource.status)
        assert after(resource, plan(resource, seen(deployment, HEALTHY), NOW)).state == "InService"

    def test_fewer_instances_leave_after_their_calls(self) -> None:
        deployment = serving(variant(count=2, served=True))
        resource = row("Updating", deployment, Desired={"AllTraffic": {"DesiredInstanceCount": 1}})
        planned = plan(resource, seen(deployment, HEALTHY), NOW)
        assert planned.state == "InService"
        left = Deployment.of(planned.status)
        assert [leaving.place.index for leaving in left.leaving] == [1]

    def test_an_instance_that_still_leaves_does_not_lend_its_name(self) -> None:
        deployment = serving(variant(count=2, served=True))
        resource = row("Updating", deployment, Desired={"AllTraffic": {"DesiredInstanceCount": 1}})
        resource = after(resource, plan(resource, seen(deployment, HEALTHY), NOW))
        resource = replace(resource, state="Updating", spec={"Desired": {"AllTraffic": {"DesiredInstanceCount": 2}}})
        planned = plan(resource, seen(deployment, HEALTHY), NOW + 1)
        (prepare,) = (action for action in planned.actions if isinstance(action, Act) and action.move is Move.PREPARE)
        assert prepare.place.index == 2


class TestUpdate:
    def updating(self) -> Resource:
        planned = plan(row("Updating", serving(), Generation=2), replace(seen(serving(), HEALTHY), wanted=fleet(2)), NOW)
        assert kinds(planned) == [Move.PREPARE, Publish]
        return after(row("Updating", serving(), Generation=2), planned)

    def test_the_old_fleet_serves_until_the_new_one_is_healthy(self) -> None:
        """K10, blue/green all at once."""
        resource = self.updating()
        assert resource.state == "Updating"
        assert resource.status["PendingDeploymentSummary"]["EndpointConfigName"] == "config-2"
        deployment = Deployment.of(resource.status)
        planned = plan(
            resource, Sight({(Place(1, "AllTraffic", 0), 1): HEALTHY, (Place(2, "AllTraffic", 0), 1): STARTING}), NOW
        )
        (publish,) = planned.actions
        assert isinstance(publish, Publish)
        assert publish.variants[0].replicas == ((Place(1, "AllTraffic", 0), 1),)
        planned = plan(resource, seen(deployment, HEALTHY), NOW)
        (publish,) = planned.actions
        assert isinstance(publish, Publish)
        assert publish.variants[0].replicas == ((Place(2, "AllTraffic", 0), 1),)
        assert planned.state == "InService"
        assert planned.status is not None
        assert planned.status["EndpointConfigName"] == "config-2"
        assert "PendingDeploymentSummary" not in planned.status

    def test_the_old_fleet_gets_time_for_its_calls_then_a_signal_then_a_kill(self) -> None:
        resource = self.updating()
        resource = after(resource, plan(resource, seen(Deployment.of(resource.status), HEALTHY), NOW))
        sight = seen(Deployment.of(resource.status), HEALTHY)
        assert kinds(plan(resource, sight, NOW + DRAIN_SECONDS - 1)) == [Publish]
        planned = plan(resource, sight, NOW + DRAIN_SECONDS)
        assert kinds(planned) == [Publish, Move.ASK]
        resource = after(resource, planned)
        assert kinds(plan(resource, sight, NOW + DRAIN_SECONDS + 1)) == [Publish]
        assert kinds(plan(resource, sight, NOW + DRAIN_SECONDS + GRACE_SECONDS)) == [Publish, Move.KILL]
        ended = Sight({(Place(2, "AllTraffic", 0), 1): HEALTHY, (Place(1, "AllTraffic", 0), 1): CRASHED})
        planned = plan(resource, ended, NOW + DRAIN_SECONDS + 2)
        assert Act(Move.REMOVE, Place(1, "AllTraffic", 0), 1) in planned.actions
        assert Deployment.of(planned.status).leaving == ()

    def test_a_failed_update_keeps_the_old_fleet_and_says_why(self) -> None:
        resource = self.updating()
        sight = Sight(
            {(Place(1, "AllTraffic", 0), 1): HEALTHY, (Place(2, "AllTraffic", 0), 1): Seen(model="failed", problem="no model")}
        )
        planned = plan(resource, sight, NOW)
        assert planned.state == "InService"
        assert planned.status is not None
        assert planned.status["FailureReason"] == "no model"
        assert planned.status["EndpointConfigName"] == "config-1"
        assert Act(Move.REMOVE, Place(2, "AllTraffic", 0), 1) in planned.actions
        resource = after(resource, planned)
        assert kinds(plan(resource, sight, NOW)) == [Publish], "the failed generation is not tried again"

    def test_a_refused_update_keeps_the_old_fleet(self) -> None:
        resource = row("Updating", serving(), Generation=2)
        planned = plan(resource, replace(seen(serving(), HEALTHY), refusal="not yet"), NOW)
        assert planned.state == "InService"
        assert planned.status is not None
        assert planned.status["FailureReason"] == "not yet"


class TestDeletion:
    def test_routes_go_first_and_the_containers_are_asked_to_end(self) -> None:
        planned = plan(row("Deleting", serving()), seen(serving(), HEALTHY), NOW)
        assert kinds(planned) == [Unpublish, Move.ASK]
        resource = after(row("Deleting", serving()), planned)
        assert kinds(plan(resource, seen(serving(), HEALTHY), NOW + GRACE_SECONDS - 1)) == [Unpublish]
        assert kinds(plan(resource, seen(serving(), HEALTHY), NOW + GRACE_SECONDS)) == [Unpublish, Move.KILL]

    def test_the_row_goes_when_nothing_is_left(self) -> None:
        planned = plan(row("Deleting", serving()), seen(serving(), CRASHED), NOW)
        assert kinds(planned) == [Unpublish, Move.REMOVE, Clear]
        assert planned.remove

    def test_an_endpoint_that_never_started_goes_at_once(self) -> None:
        planned = plan(row("Deleting"), Sight(), NOW)
        assert kinds(planned) == [Unpublish, Clear]
        assert planned.remove

    def test_a_failed_endpoint_settles(self) -> None:
        deployment = Deployment(generation=1)
        planned = plan(row("Failed", deployment), Sight(), NOW)
        assert planned.actions == ()
        assert planned.due is None


def test_the_document_says_everything() -> None:
    rollout = Rollout(
        NOW,
        NOW + 1,
        "Baking",
        2,
        {"RollingUpdatePolicy": {}},
        4,
        3,
        "because",
        {"AllTraffic": 7},
        {"AllTraffic": [2, 1.0]},
        True,
    )
    target = replace(fleet(2), shadows=(variant("shadow"),))
    deployment = replace(serving(variant(count=2, served=True)), target=target, rollout=rollout, refused=3)
    assert Deployment.of({"Deployment": deployment.document()}) == deployment


CAPTURE = {"InitialSamplingPercentage": 20, "DestinationS3Uri": "s3://b/c", "CaptureOptions": [{"CaptureMode": "Input"}]}


@pytest.mark.parametrize(
    ("config", "published", "shown"),
    [
        (CAPTURE, CAPTURE, "Started"),
        ({**CAPTURE, "EnableCapture": False}, None, "Stopped"),
        ({**CAPTURE, "InitialSamplingPercentage": 0}, None, "Started"),
        (None, None, None),
    ],
)
def test_capture_is_published_and_described(config: Any, published: Any, shown: str | None) -> None:
    """N01, API DataCaptureConfigSummary: the fronts learn of it only when there is something to capture."""
    active = replace(fleet(1, variant(served=True)), capture=config)
    deployment = Deployment(active=active, generation=1)
    planned = plan(row("InService", deployment), seen(deployment, HEALTHY), NOW)
    (action,) = [action for action in planned.actions if isinstance(action, Publish)]
    assert action.capture == published
    summary = after(row("InService", deployment), planned).status.get("DataCaptureConfig")
    assert (summary and summary["CaptureStatus"]) == shown
    assert summary is None or summary["CurrentSamplingPercentage"] == config["InitialSamplingPercentage"]


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        ({}, False),
        ({"RetainAllVariantProperties": True}, True),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
            },
            False,
        ),
    ],
)
def test_an_update_keeps_the_capture_where_it_is_told_to(request_: dict[str, Any], kept: bool) -> None:
    """API UpdateEndpoint: RetainAllVariantProperties, ExcludeRetainedVariantProperties."""
    active = replace(fleet(1, variant(served=True)), capture=CAPTURE)
    assert retained_capture(active, request_) == ({"Capture": CAPTURE} if kept else {})
