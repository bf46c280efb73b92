"""Replicas of several containers: the client, what is seen of them together, and whom a request is for (K07; DG
inference-pipeline-real-time, multi-container-direct)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from sagewright.compute.pipeline import CONTAINER, TARGET, Pipeline, blame
from sagewright.compute.replica import Address, Answer, Broken, Chunks, StreamedAnswer, Unsent
from sagewright.compute.runtime import SERVER_STOPPED, Observed
from sagewright.front.containers import aim
from sagewright.front.routes import Containers
from sagewright.serving.definition import Undeployable, composed
from sagewright.serving.ensemble import folded
from sagewright.serving.unit import Seen
from sagewright.wire.errors import Fault

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


class Member:
    """A container that adds its name to the body, or says what it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = Address("http", name)
        self.in_flight = 0
        self.asked: list[dict[str, str]] = []
        self.says: Answer | Exception | None = None
        self.closed = False

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        self.asked.append(dict(headers))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says or Answer(200, {"content-type": f"of/{self.name}"}, body + self.name.encode())

    async def stream(self, headers: Mapping[str, str], body: bytes, timeout: float) -> StreamedAnswer:
        status, head, whole = await self.invoke(headers, body, timeout)
        parts = [whole]

        async def take() -> bytes | None:
            return parts.pop() if parts else None

        return StreamedAnswer(status, head, Chunks(take, parts.clear))

    async def ping(self, timeout: float) -> bool:
        return self.says is None

    async def get(self, path: str, timeout: float) -> Answer:
        return Answer(200, {}, self.name.encode())

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def members() -> dict[str, Member]:
    return {name: Member(name) for name in "abc"}


def pipeline(members: dict[str, Member]) -> Pipeline:
    return Pipeline(members)


class TestSerial:
    async def test_the_answer_of_one_is_the_body_of_the_next(self, members: dict[str, Member]) -> None:
        answer = await pipeline(members).invoke({"content_type": "text/csv", "accept": "x/y"}, b"1", 1.0)
        assert (answer.status, answer.body, answer.headers[CONTAINER]) == (200, b"1abc", "c")
        assert [member.asked[0] for member in members.values()] == [
            {"content_type": "text/csv"},
            {"content_type": "of/a"},
            {"content_type": "of/b", "accept": "x/y"},
        ]

    async def test_the_first_failure_is_the_answer(self, members: dict[str, Member]) -> None:
        members["b"].says = Answer(418, {}, b"no")
        answer = await pipeline(members).invoke({}, b"1", 1.0)
        assert (answer.status, answer.body, answer.headers[CONTAINER]) == (418, b"no", "b")
        assert members["c"].asked == []

    @pytest.mark.parametrize(
        ("at", "problem", "expected"),
        [
            ("a", Unsent("nobody"), Unsent),
            ("b", Unsent("nobody"), Broken),
            ("c", Broken("gone"), Broken),
            ("c", TimeoutError(), TimeoutError),
        ],
    )
    async def test_who_does_not_answer_is_named(
        self, members: dict[str, Member], at: str, problem: Exception, expected: type[Exception]
    ) -> None:
        """Only a request that nobody has seen may be sent to another replica."""
        members[at].says = problem
        with pytest.raises(expected) as caught:
            await pipeline(members).invoke({}, b"1", 1.0)
        assert blame(caught.value) == at

    async def test_a_stream_is_that_of_the_last(self, members: dict[str, Member]) -> None:
        status, headers, chunks = await pipeline(members).stream({}, b"1", 1.0)
        assert (status, headers[CONTAINER], [part async for part in chunks]) == (200, "c", [b"1abc"])
        members["a"].says = Answer(500, {}, b"broken")
        status, headers, chunks = await pipeline(members).stream({}, b"1", 1.0)
        assert (status, headers[CONTAINER], [part async for part in chunks]) == (500, "a", [b"broken"])

    async def test_every_container_is_timed(self, members: dict[str, Member]) -> None:
        told: list[str] = []
        await Pipeline(members, lambda name, seconds: told.append(name)).invoke({}, b"1", 1.0)
        assert told == ["a", "b", "c"]

    async def test_it_is_healthy_when_all_are(self, members: dict[str, Member]) -> None:
        assert await pipeline(members).ping(1.0)
        members["b"].says = TimeoutError()
        assert not await pipeline(members).ping(1.0)
        assert (await pipeline(members).get("/execution-parameters", 1.0)).body == b"a"
        pipeline(members).close()
        assert all(member.closed for member in members.values())


class TestDirect:
    async def test_only_the_named_container_is_asked(self, members: dict[str, Member]) -> None:
        answer = await pipeline(members).invoke({TARGET: "b", "accept": "x/y"}, b"1", 1.0)
        assert (answer.body, members["b"].asked) == (b"1b", [{"accept": "x/y"}])
        assert not members["a"].asked
        assert not members["c"].asked

    @pytest.mark.parametrize(
        ("containers", "target", "words"),
        [
            (Containers(("a", "b"), True), "z", "Target container hostname z does not exist in endpoint e"),
            (Containers(("a", "b"), True), None, "Target container hostname header is required for endpoint e"),
            (Containers(("a", "b"), False), "a", "not configured for direct invocation"),
            (None, "a", "not configured for direct invocation"),
        ],
    )
    def test_the_three_refusals(self, containers: Containers | None, target: str | None, words: str) -> None:
        """DG multi-container-direct."""
        with pytest.raises(Fault, match=words) as caught:
            aim("e", containers, target, {})
        assert caught.value.code == "ValidationError"

    def test_a_target_is_handed_on(self) -> None:
        headers: dict[str, str] = {}
        aim("e", Containers(("a", "b"), True), "b", headers)
        aim("e", Containers(("a", "b"), False), None, headers)
        assert headers == {TARGET: "b"}


def seen(state: str = "running", healthy: bool = True, model: str = "ready", **more: object) -> Seen:
    return Seen(model, container=Observed(state, **more), healthy=healthy, silent=1.0)  # type: ignore[arg-type]


class TestSeenTogether:
    def test_healthy_when_all_are(self) -> None:
        assert folded({"a": seen(started=1.0), "b": seen(started=2.0)}, False).healthy
        together = folded({"a": seen(started=1.0), "b": seen(healthy=False, started=2.0)}, False)
        assert not together.healthy
        assert together.container.started == 2.0

    def test_one_that_ended_ends_all(self) -> None:
        together = folded({"a": seen(), "b": seen("exited", code=3)}, False).container
        assert (together.state, together.reason) == ("exited", "b: exit code 3")

    def test_the_server_that_stopped_is_no_fault(self) -> None:
        together = folded({"a": seen(), "b": seen("exited", code=3, reason=SERVER_STOPPED)}, False).container
        assert together.reason == SERVER_STOPPED

    def test_those_that_were_asked_to_end_are_waited_for(self) -> None:
        assert folded({"a": seen("exited", code=0), "b": seen()}, True).container.state == "running"
        assert folded({"a": seen("exited", code=0), "b": seen("exited", code=0)}, True).container.state == "exited"

    @pytest.mark.parametrize(
        ("a", "b", "model"),
        [
            (seen("missing"), seen("missing", model="coming"), "coming"),
            (seen("missing", model="coming"), seen("missing", model="absent"), "absent"),
            (seen("missing"), seen("missing"), "ready"),
            (seen(), seen("missing"), "ready"),
        ],
    )
    def test_what_is_missing_is_begun_again(self, a: Seen, b: Seen, model: str) -> None:
        together = folded({"a": a, "b": b}, False)
        assert (together.model, together.container.state) == (model, "missing")

    def test_a_model_that_cannot_come_names_its_container(self) -> None:
        problem = 'Failed to download model data for container "container_1" from URL: "s3://b/k".'
        together = folded({"a": seen("missing"), "b": Seen("failed", problem)}, False)
        assert (together.model, together.problem) == ("failed", problem.replace("container_1", "b"))


class TestDefinition:
    def test_containers_without_names_are_named_by_position(self) -> None:
        """API ContainerDefinition, ContainerHostname."""
        made = composed([{"Image": XGBOOST}, {"Image": XGBOOST}])
        assert [each["ContainerHostname"] for each in made["Containers"]] == ["container-1", "container-2"]

    def test_one_container_is_itself(self) -> None:
        assert composed([{"Image": XGBOOST}]) == {"Image": XGBOOST}

    def test_fifteen_are_enough(self) -> None:
        """K07: the sixteenth is refused."""
        assert len(composed([{"Image": XGBOOST}] * 15)["Containers"]) == 15
        with pytest.raises(Undeployable, match="at most 15"):
            composed([{"Image": XGBOOST}] * 16)


def test_pipelines_ask_their_containers_at_the_same_time(members: dict[str, Member]) -> None:
    """A health check costs as much as its slowest container, not all together."""
    met = asyncio.Barrier(3)

    async def ping(timeout: float) -> bool:
        async with asyncio.timeout(5):
            await met.wait()
        return True

    for member in members.values():
        member.ping = ping  # type: ignore[method-assign]
    assert asyncio.run(pipeline(members).ping(1.0))
