"""The plan of adapters as a table (K06; API InferenceComponentSpecification, BaseInferenceComponentName)."""

from __future__ import annotations

from typing import Any

import pytest
from harness import WORLD

from sagewright.features.components.adapter import Abandon, AdapterSight, Answer, Artefact, Held, Load, Place, Unload
from sagewright.features.components.adapter_plan import DRAIN_SECONDS, plan
from sagewright.features.components.sight import Clear, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Resource

NOW = 1000.0
FIRST, SECOND = (1, 0, 1), (1, 1, 1)


def row(state: str = "InService", held: Held | None = None, generation: int = 1, url: str = "s3://b/a.tar.gz") -> Resource:
    specification = {"BaseInferenceComponentName": "base", "Container": {"ArtifactUrl": url}}
    kept = {"Adapter": held.document()} if held else {}
    spec = {"Specification": specification, "EndpointName": "e", "Generation": generation}
    return Resource(WORLD, "InferenceComponent", "a", name="a", state=state, spec=spec, status=kept)


ONE, TWO = Artefact.wanted(row()), Artefact.wanted(row(generation=2, url="s3://b/b.tar.gz"))


def updated(held: Held | None = None) -> Resource:
    return row("Updating", held or Held(ONE, 1.0), 2, "s3://b/b.tar.gz")


def having(key: Any, *artefacts: Artefact, **changes: Any) -> Place:
    return Place(key, frozenset(artefact.identifier for artefact in artefacts), **changes)


def of(made: Plan[Any], kind: type) -> list[Any]:
    return [action for action in made.actions if isinstance(action, kind)]


def held(made: Plan[Any]) -> Held:
    return Held.of(made.status)


class TestCreation:
    def test_while_the_base_does_not_serve_it_waits(self) -> None:
        made = plan(row("Creating"), AdapterSight(), NOW)
        assert (made.actions, made.state) == ((), None)
        assert made.due == NOW + 1

    def test_it_is_loaded_into_every_copy_of_the_base(self) -> None:
        made = plan(row("Creating"), AdapterSight((having(FIRST), having(SECOND, ONE)), True), NOW)
        assert of(made, Load) == [Load(FIRST, ONE)]
        assert (made.state, of(made, Answer)) == (None, [])

    def test_it_serves_when_all_have_it(self) -> None:
        made = plan(row("Creating"), AdapterSight((having(FIRST, ONE), having(SECOND, ONE)), True, variant="v"), NOW)
        assert made.state == "InService"
        assert of(made, Answer) == [Answer((FIRST, SECOND), ONE.identifier, "v")]

    def test_a_base_without_copies_is_enough(self) -> None:
        made = plan(row("Creating"), AdapterSight((), True, variant="v"), NOW)
        assert (made.state, of(made, Answer)) == ("InService", [Answer((), ONE.identifier, "v")])

    @pytest.mark.parametrize(
        "sight",
        [AdapterSight(refusal="no"), AdapterSight((having(FIRST, ONE), having(SECOND, problem="no")), True)],
        ids=["base", "container"],
    )
    def test_what_cannot_be_fails(self, sight: AdapterSight) -> None:
        made = plan(row("Creating"), sight, NOW)
        assert (made.state, made.due) == ("Failed", None)
        assert made.status is not None
        assert made.status["FailureReason"] == "no"
        assert of(made, Abandon) == [Abandon()]
        assert not of(made, Answer)
        assert plan(row("Failed"), sight, NOW).state is None


class TestLater:
    def test_a_new_copy_of_the_base_gets_it_and_answers_then(self) -> None:
        sight = AdapterSight((having(FIRST, ONE), having(SECOND)), True, variant="v")
        made = plan(row(held=Held(ONE, 1.0)), sight, NOW)
        assert of(made, Load) == [Load(SECOND, ONE)]
        assert of(made, Answer) == [Answer((FIRST,), ONE.identifier, "v")]
        assert made.state is None

    def test_while_the_new_copies_load_the_leaving_ones_answer(self) -> None:
        """An update of the base: no call of the adapter fails."""
        new = having((2, 0, 1))
        old = having(FIRST, ONE, stays=False, active=False)
        made = plan(row(held=Held(ONE, 1.0)), AdapterSight((new, old), True, variant="v"), NOW)
        assert of(made, Answer) == [Answer((FIRST,), ONE.identifier, "v")]
        assert of(made, Load) == [Load((2, 0, 1), ONE)]

    def test_a_new_archive_takes_over_when_all_have_it_and_the_old_one_goes_later(self) -> None:
        coming = plan(updated(), AdapterSight((having(FIRST, ONE),), True, variant="v"), NOW)
        assert of(coming, Load) == [Load(FIRST, TWO)]
        assert of(coming, Answer) == [Answer((FIRST,), ONE.identifier, "v")]
        assert coming.state is None
        sight = AdapterSight((having(FIRST, ONE, TWO),), True, variant="v")
        there = plan(updated(), sight, NOW)
        assert (there.state, of(there, Unload)) == ("InService", [])
        assert of(there, Answer) == [Answer((FIRST,), TWO.identifier, "v")]
        assert held(there) == Held(TWO, NOW)
        after = plan(row("InService", Held(TWO, NOW), 2, "s3://b/b.tar.gz"), sight, NOW + DRAIN_SECONDS)
        assert of(after, Unload) == [Unload(FIRST, ONE.identifier)]

    def test_an_archive_that_cannot_be_loaded_changes_nothing(self) -> None:
        sight = AdapterSight((having(FIRST, ONE, problem="no"),), True, variant="v")
        made = plan(updated(), sight, NOW)
        assert made.state == "InService"
        assert made.status is not None
        assert made.status["FailureReason"] == "no"
        assert of(made, Answer) == [Answer((FIRST,), ONE.identifier, "v")]
        later = plan(row("InService", held(made), 2, "s3://b/b.tar.gz"), AdapterSight((having(SECOND),), True), NOW + 9)
        assert of(later, Load) == [Load(SECOND, ONE)], "what serves is what new copies get"

    def test_deleting_takes_it_out_everywhere(self) -> None:
        """Also where it may have been loaded without being noted."""
        sight = AdapterSight((having(FIRST), having(SECOND, ONE)), True)
        made = plan(row("Deleting", Held(ONE, 1.0)), sight, NOW)
        assert made.remove
        assert made.actions == (
            Unpublish(),
            Abandon(),
            Unload(FIRST, ONE.identifier),
            Unload(SECOND, ONE.identifier),
            Clear(),
        )

    def test_a_steady_adapter_writes_nothing(self) -> None:
        sight = AdapterSight((having(FIRST, ONE),), True, variant="v")
        first = plan(row(held=Held(ONE, 1.0)), sight, NOW)
        assert first.status is not None
        again = Resource(WORLD, "InferenceComponent", "a", name="a", state="InService", spec=row().spec, status=first.status)
        assert plan(again, sight, NOW).status is None
