"""Serverless variants, pure and in the front: plan rows, demand, the gate. Feature rows K03, N09."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from sagewright.base.world import World
from sagewright.compute.replica import Address
from sagewright.compute.runtime import Observed
from sagewright.features.hosting import serverless
from sagewright.features.hosting.demand import Demand, Wanted
from sagewright.features.hosting.deployment import Deployment, Fleet, VariantFleet
from sagewright.features.hosting.plan import plan
from sagewright.features.hosting.sight import Act, Publish, Sight
from sagewright.front.routes import RouteTable
from sagewright.front.serverless import Gates
from sagewright.serving.step import GRACE_SECONDS, Move, Slot
from sagewright.serving.unit import Seen
from sagewright.store.rows import Resource
from sagewright.wire.errors import Fault

NOW = 1_800_000_000.0
HEALTHY = Seen(model="ready", container=Observed("running", started=NOW - 10), healthy=True)
STOPPED = Seen(model="ready", container=Observed("exited", code=0, started=NOW - 10, ended=NOW))
PREPARED = Seen(model="ready")
SIZE = {"MemorySizeInMB": 2048, "MaxConcurrency": 3}
WORLD = World("123456789012", "us-east-1")
NEVER = float("inf")


def endpoint(*slots: Slot, awake: int, state: str = "InService", **spec: Any) -> Resource:
    variant = VariantFleet("v", "m", {"Image": "i:1"}, 1.0, slots=slots, serverless=SIZE, awake=awake)
    deployment = Deployment(active=Fleet(1, "c", (variant,)), generation=1)
    return Resource(WORLD, "Endpoint", "e", state=state, spec=spec, status={"Deployment": deployment.document()})


def looked(resource: Resource, what: Seen, wanted: int, now: float = NOW) -> tuple[list[Move], VariantFleet, Publish, Any]:
    """What is done, the variant afterwards, what is published, and the plan."""
    attempts = Deployment.of(resource.status).attempts()
    planned = plan(resource, Sight(dict.fromkeys(attempts, what), demand={"v": Wanted(wanted, NEVER)}), now)
    active = Deployment.of(planned.status or resource.status).active
    assert active is not None
    moves = [action.move for action in planned.actions if isinstance(action, Act)]
    (published,) = [action for action in planned.actions if isinstance(action, Publish)]
    return moves, active.variants[0], published, planned


def after(resource: Resource, planned: Any) -> Resource:
    return replace(resource, status=planned.status or resource.status, state=planned.state or resource.state)


def test_what_nobody_needs_leaves_the_routes_then_ends_and_its_model_stays() -> None:
    resource = endpoint(Slot(0, served=True), awake=1)
    moves, _, published, planned = looked(resource, HEALTHY, 0)
    assert (moves, published.variants[0].replicas) == ([], ())
    resource, later = after(resource, planned), NOW + serverless.LULL_SECONDS
    moves, _, _, planned = looked(resource, HEALTHY, 0, later)
    assert moves == [Move.ASK]
    moves, _, _, _ = looked(resource, HEALTHY, 0, later + GRACE_SECONDS)
    assert moves == [Move.KILL]
    moves, variant, _, planned = looked(after(resource, planned), STOPPED, 0, later)
    assert (moves, variant.slots) == ([Move.DISCARD], (Slot(0, 2),))
    moves, _, _, planned = looked(after(resource, planned), PREPARED, 0, later)
    assert moves == []
    assert planned.due is not None, "an endpoint that sleeps is not settled: a new control must know its routes"


def test_a_call_wakes_it_and_concurrency_adds_containers() -> None:
    resource = endpoint(Slot(0, 2), awake=0)
    assert looked(resource, PREPARED, 1)[0] == [Move.START]
    moves, variant, _, _ = looked(resource, PREPARED, 2)
    assert (moves, variant.awake, len(variant.slots)) == ([Move.START, Move.PREPARE], 2, 2)
    _, variant, _, _ = looked(resource, PREPARED, 9)
    assert (variant.awake, len(variant.slots)) == (3, 3)


def test_one_that_is_needed_again_before_it_was_asked_to_end_stays() -> None:
    resource = endpoint(Slot(0, served=False, start_at=NOW + 1), awake=0)
    moves, variant, published, _ = looked(resource, HEALTHY, 1)
    assert (moves, variant.slots[0].served, len(published.variants[0].replicas)) == ([], True, 1)


def test_a_container_that_dies_is_back_in_a_second_however_often_it_was_started() -> None:
    crashed = Seen(model="ready", container=Observed("exited", code=1, started=NOW - 1, ended=NOW))
    _, variant, _, _ = looked(endpoint(Slot(0, 40, served=True), awake=1), crashed, 1)
    assert variant.slots[0].start_at <= NOW + 1


def test_provisioned_concurrency_is_in_service_when_it_runs() -> None:
    """API UpdateEndpointWeightsAndCapacities."""
    wish = {"v": {"Serverless": {"ProvisionedConcurrency": 2, "MaxConcurrency": 4}}}
    resource = endpoint(Slot(0, 2), awake=0, state="Updating", Desired=wish)
    moves, variant, _, planned = looked(resource, PREPARED, 0)
    assert (moves, variant.awake, planned.state) == ([Move.START, Move.PREPARE], 2, None)
    assert variant.serverless == {**SIZE, "ProvisionedConcurrency": 2, "MaxConcurrency": 4}
    _, _, _, planned = looked(after(resource, planned), HEALTHY, 0)
    assert planned.state == "InService"


def test_demand_remembers_how_many_were_needed_at_once() -> None:
    demand, key = Demand(10.0), (WORLD, "e", "v")
    assert demand.wanted(key, 2, 0.0) == Wanted(2, 10.0), "what is not known counts as in use"
    assert demand.need(key, 3, 5.0)
    assert not demand.need(key, 1, 8.0)
    assert demand.wanted(key, 0, 14.9) == Wanted(3, 15.0)
    assert demand.wanted(key, 0, 15.0) == Wanted(1, 18.0)
    assert demand.wanted(key, 0, 18.0) == Wanted(0, NEVER)


class Container:
    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0

    def close(self) -> None:
        """Nothing is open."""


class Front:
    """A gate over a snapshot that the test writes; ``woken`` are the questions to control."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "routes.json"
        self.routes = RouteTable(self.file, Container)  # type: ignore[arg-type]
        self.woken: list[dict[str, Any]] = []
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.gates = Gates(self.routes, self.wake, patience=5.0)

    async def wake(self, question: dict[str, Any]) -> int:
        self.woken.append(question)
        return await self.answer

    def route(self, *sockets: str, most: int = 3) -> None:
        replicas = [{"protocol": "frames", "socket": socket} for socket in sockets]
        variant = {"name": "v", "weight": 1.0, "replicas": replicas, "serverless": {"max_concurrency": most}}
        partial = self.file.with_suffix(".partial")
        partial.write_bytes(orjson.dumps({"generation": 1, "endpoints": {"1/r/e": {"arn": "a", "variants": [variant]}}}))
        partial.replace(self.file)

    def started(self, status: int = 200) -> None:
        answer, self.answer = self.answer, asyncio.get_running_loop().create_future()
        answer.set_result(status)

    async def call(self, until: asyncio.Event | None = None) -> str:
        endpoint = self.routes.find("1/r/e")
        assert endpoint is not None
        async with self.gates.lent("1/r/e", endpoint.variants[0]) as lent:
            if until is not None:
                await until.wait()
            return lent.replica.address.socket


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_call_waits_for_the_container_that_it_wakes(tmp_path: Path) -> None:
    front = Front(tmp_path)
    front.route()
    call = asyncio.create_task(front.call())
    await turns()
    assert front.woken == [{"op": "wake", "endpoint": "1/r/e", "variant": "v", "wanted": 1, "have": 0}]
    front.route("a")
    front.started()
    assert await call == "a"


async def test_one_call_at_a_time_and_no_more_than_the_limit(tmp_path: Path) -> None:
    front = Front(tmp_path)
    front.route("a", most=2)
    done = asyncio.Event()
    first, second = asyncio.create_task(front.call(done)), asyncio.create_task(front.call())
    await turns()
    assert front.woken[0]["wanted"] == 2
    with pytest.raises(Fault, match="Rate exceeded"):
        await front.call()
    done.set()
    assert (await first, await second) == ("a", "a"), "whatever is idle first takes the call that waits"


async def test_somebody_who_leaves_takes_no_container_with_him(tmp_path: Path) -> None:
    front = Front(tmp_path)
    front.route("a", most=2)
    done = asyncio.Event()
    first, second = asyncio.create_task(front.call(done)), asyncio.create_task(front.call())
    await turns()
    second.cancel()
    done.set()
    assert await first == "a"
    assert await front.call() == "a"


@pytest.mark.parametrize(("status", "code"), [(404, "ValidationError"), (503, "ModelNotReadyException")])
async def test_a_container_that_does_not_come(tmp_path: Path, status: int, code: str) -> None:
    """API InvokeEndpoint: ModelNotReadyException, status 429."""
    front = Front(tmp_path)
    front.gates = Gates(front.routes, front.wake, patience=0.05)
    front.route()
    call = asyncio.create_task(front.call())
    await turns()
    front.started(status)
    with pytest.raises(Fault) as caught:
        await call
    assert caught.value.code == code


async def test_what_was_needed_at_once_is_told(tmp_path: Path) -> None:
    front, told = Front(tmp_path), list[bytes]()
    front.route("a", "b")
    done = asyncio.Event()
    calls = [asyncio.create_task(front.call(done)) for _ in range(2)]
    await turns()

    async def tell(header: Any, body: bytes) -> None:
        told.append(body)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await front.gates.report(tell)
    done.set()
    assert {await call for call in calls} == {"a", "b"}
    assert orjson.loads(told[0]) == [["1/r/e", "v", 2]]
