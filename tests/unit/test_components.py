"""Room for copies, and the plan of inference components as a table (K06; API CreateInferenceComponent)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness import WORLD

from sagewright.compute.placement import GIB, Size
from sagewright.compute.runtime import Observed
from sagewright.features.components.copies import Copies, Crew, Leaving
from sagewright.features.components.plan import DRAIN_SECONDS, NO_ROOM, plan
from sagewright.features.components.sight import Act, Clear, Drop, Publish, Sight, Unpublish
from sagewright.serving.room import Claim, Need, instances, places
from sagewright.serving.step import Move, Slot
from sagewright.serving.unit import Seen
from sagewright.store.rows import Resource

LARGE = Size(2, 8 * GIB, False)
NOW = 1000.0
DEFINITION = {"StartupTimeout": 240, "Variant": "v", "Container": {"Image": "i"}}
HEALTHY = Seen("ready", container=Observed("running", started=NOW - 10), healthy=True)
GONE = Seen("ready")


class TestRoom:
    def test_the_scarcest_resource_decides(self) -> None:
        half = Need(0.5, 6 * GIB)
        assert places(LARGE, 2, [Claim("a", half, 5, 0)]) == {"a": 2}
        assert places(LARGE, 2, [Claim("a", Need(1, GIB), 5, 0)]) == {"a": 4}
        assert places(LARGE, 2, [Claim("a", Need(0, GIB, 1), 1, 0)]) == {"a": 0}

    def test_first_come_first_served_but_who_runs_stays(self) -> None:
        need = Need(1, GIB)
        assert places(LARGE, 1, [Claim("a", need, 2, 0), Claim("b", need, 2, 0)]) == {"a": 2, "b": 0}
        assert places(LARGE, 1, [Claim("a", need, 2, 0), Claim("b", need, 2, 1)]) == {"a": 1, "b": 1}

    def test_packed_copies_leave_whole_instances_free(self) -> None:
        """API InferenceComponentSchedulingConfig."""
        small, whole = Need(0.5, GIB), Need(2, 8 * GIB)
        assert places(LARGE, 2, [Claim("a", small, 2, 0), Claim("b", whole, 1, 0)]) == {"a": 2, "b": 0}
        assert places(LARGE, 2, [Claim("a", small, 2, 0, packs=True), Claim("b", whole, 1, 0)]) == {"a": 2, "b": 1}

    def test_as_many_instances_as_the_copies_need(self) -> None:
        """API ProductionVariant, ManagedInstanceScaling: within bounds; a copy that fits nowhere counts for nothing."""
        need = Need(1, GIB)
        wanted = [(0, 0), (1, 1), (2, 1), (3, 2), (9, 4)]
        assert [instances(LARGE, [Claim("a", need, copies, 0)], 0, 4) for copies, _ in wanted] == [count for _, count in wanted]
        assert instances(LARGE, [Claim("a", need, 2, 2), Claim("b", need, 1, 0)], 0, 4) == 2
        assert instances(LARGE, [], 1, 4) == 1
        assert instances(LARGE, [Claim("a", Need(64, GIB), 1, 0)], 0, 4) == 0

    def test_no_instances_no_room(self) -> None:
        assert places(LARGE, 0, [Claim("a", Need(0, 0), 3, 3)]) == {"a": 0}


def row(state: str = "InService", copies: int = 1, status: Copies | None = None, **spec: Any) -> Resource:
    wanted = {"RuntimeConfig": {"CopyCount": copies}, "Specification": {"ModelName": "m"}, **spec}
    kept = {"Copies": status.document()} if status else {}
    return Resource(WORLD, "InferenceComponent", "c", name="c", state=state, spec=wanted, status=kept)


def crew(*served: bool, generation: int = 1) -> Crew:
    return Crew(generation, DEFINITION, tuple(Slot(index, served=value) for index, value in enumerate(served)))


def moves(actions: Any) -> list[tuple[Move, tuple[int, int, int]]]:
    return [(action.move, action.key) for action in actions if isinstance(action, Act)]


class TestCreation:
    def test_while_the_endpoint_has_no_instances_it_waits(self) -> None:
        made = plan(row("Creating"), Sight(), NOW)
        assert (made.actions, made.state) == ((), None)
        assert made.due is not None
        assert made.due > NOW

    def test_the_copies_that_have_room_are_prepared(self) -> None:
        made = plan(row("Creating", 3), Sight(room=2, wanted=crew()), NOW)
        assert moves(made.actions) == [(Move.PREPARE, (1, 0, 1)), (Move.PREPARE, (1, 1, 1))]
        assert made.status is not None
        assert made.status["FailureReason"] == NO_ROOM.format(2, 3)

    def test_all_healthy_is_in_service(self) -> None:
        coming = Copies(target=crew(False), generation=1)
        made = plan(row("Creating", 1, coming), Sight({(1, 0, 1): HEALTHY}, 1, crew()), NOW)
        assert made.state == "InService"
        assert Publish(((1, 0, 1),), "v") in made.actions
        assert made.status is not None
        assert made.status["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}

    def test_no_copies_are_in_service_at_once(self) -> None:
        made = plan(row("Creating", 0), Sight(room=0, wanted=crew()), NOW)
        assert made.state == "InService"
        assert Publish((), "v") in made.actions

    def test_without_room_nothing_is_in_service(self) -> None:
        made = plan(row("Creating", 1), Sight(room=0, wanted=crew()), NOW)
        assert made.state is None
        assert not moves(made.actions)

    @pytest.mark.parametrize("state", ["Creating", "Failed"])
    def test_what_cannot_be_fails(self, state: str) -> None:
        made = plan(row("Creating"), Sight(refusal="no"), NOW)
        assert made.state == "Failed"
        assert made.status is not None
        assert made.status["FailureReason"] == "no"
        assert plan(row(state, status=Copies(generation=1)), Sight(), NOW).state is None


class TestLater:
    def test_a_new_specification_takes_over_when_it_is_healthy(self) -> None:
        before = Copies(crew(True), crew(False, generation=2), generation=2)
        seen = {(1, 0, 1): HEALTHY, (2, 0, 1): HEALTHY}
        made = plan(row("Updating", 1, before, Generation=2), Sight(seen, 1, crew(generation=2)), NOW)
        after = Copies.of(made.status)
        assert made.state == "InService"
        assert after.active == crew(True, generation=2)
        assert after.leaving == (Leaving(1, 0, 1, NOW + DRAIN_SECONDS),)

    def test_one_that_cannot_start_leaves_the_old_one(self) -> None:
        before = Copies(crew(True), crew(False, generation=2), generation=2)
        seen = {(1, 0, 1): HEALTHY, (2, 0, 1): Seen("failed", "no model")}
        made = plan(row("Updating", 1, before, Generation=2), Sight(seen, 1, crew(generation=2)), NOW)
        assert made.state == "InService"
        assert made.status is not None
        assert made.status["FailureReason"] == "no model"
        assert Publish(((1, 0, 1),), "v") in made.actions

    def test_fewer_copies_drain_and_more_get_new_places(self) -> None:
        before = Copies(crew(True, True), generation=1)
        seen = {(1, 0, 1): HEALTHY, (1, 1, 1): HEALTHY}
        fewer = Copies.of(plan(row("Updating", 1, before), Sight(seen, 9, crew()), NOW).status)
        assert fewer.leaving == (Leaving(1, 1, 1, NOW + DRAIN_SECONDS),)
        more = plan(row("Updating", 2, fewer), Sight(seen, 9, crew()), NOW)
        assert (Move.PREPARE, (1, 2, 1)) in moves(more.actions)

    def test_deleting_ends_everything_and_then_the_row(self) -> None:
        before = Copies(crew(True), generation=1)
        first = plan(row("Deleting", 1, before), Sight({(1, 0, 1): HEALTHY}), NOW)
        assert first.actions[0] == Unpublish()
        assert (Move.ASK, (1, 0, 1)) in moves(first.actions)
        assert not first.remove
        last = plan(row("Deleting", 1, Copies.of(first.status)), Sight({(1, 0, 1): GONE}), NOW + 1)
        assert last.remove
        assert last.actions[-1] == Clear()

    def test_a_steady_component_writes_nothing(self) -> None:
        seen = {(1, 0, 1): HEALTHY}
        first = plan(row("InService", 1, Copies(crew(True), generation=1)), Sight(seen, 1, crew()), NOW)
        assert first.status is not None
        again = Resource(WORLD, "InferenceComponent", "c", name="c", state="InService", spec=row().spec, status=first.status)
        assert plan(again, Sight(seen, 1, crew()), NOW).status is None

    def test_a_copy_more_that_cannot_be_fetched_says_why_and_is_tried_again(self) -> None:
        before = Copies(crew(True, False), generation=1)
        seen = {(1, 0, 1): HEALTHY, (1, 1, 1): Seen("failed", "no model")}
        made = plan(row("Updating", 2, before), Sight(seen, 2, crew()), NOW)
        assert (made.state, moves(made.actions)) == (None, [(Move.FORGET, (1, 1, 1))])
        assert made.status is not None
        assert made.status["FailureReason"] == "no model"
        later = Resource(
            WORLD, "InferenceComponent", "c", name="c", state="Updating", spec=row(copies=2).spec, status=made.status
        )
        seen[1, 1, 1] = HEALTHY
        made = plan(later, Sight(seen, 2, crew()), NOW + 60)
        assert made.state == "InService"
        assert made.status is not None
        assert "FailureReason" not in made.status

    def test_a_kept_model_stays_while_copies_may_come(self) -> None:
        """API InferenceComponentDataCacheConfig: it goes with its deployment, with the last instance, and with the component."""
        keeping = replace(crew(True), definition={**DEFINITION, "Specification": {"DataCacheConfig": {"EnableCaching": True}}})
        none = replace(keeping, slots=())

        def dropped(active: Crew, instances: int | None) -> list[int]:
            sight = Sight({(1, 0, 1): HEALTHY}, len(active.slots), active, kept=frozenset({1, 2}), instances=instances)
            made = plan(row(copies=len(active.slots), status=Copies(active, generation=1)), sight, NOW)
            return [action.generation for action in made.actions if isinstance(action, Drop)]

        assert dropped(keeping, 1) == [2]
        assert dropped(none, 1) == [2]
        assert dropped(none, None) == [2]
        assert dropped(none, 0) == [1, 2]
        assert dropped(keeping, 0) == [2]
        assert dropped(replace(crew(True), generation=3), 1) == [1, 2]

    def test_documents_come_back_as_they_were(self) -> None:
        kept = Copies(crew(True), crew(False, generation=2), (Leaving(1, 5, 2, 3.0, 4.0),), 2)
        assert Copies.of({"Copies": kept.document()}) == kept
