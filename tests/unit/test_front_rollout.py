"""The front's part of deployments and shadows: shares between two fleets (K10), copies for a shadow variant (K09)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import WORLD

from sagewright.compute.replica import Address, Answer, Broken, StreamedAnswer, Unsent
from sagewright.features.asynchronous.capacity import Capacity
from sagewright.front.counters import Counters
from sagewright.front.inference import Inference
from sagewright.front.routes import RouteTable
from sagewright.front.shadow import MOST_COPIES
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request

KEY = f"{WORLD.account}/{WORLD.region}/e"


class Echo:
    """A replica that answers with its own name, once it may."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0
        self.asked: list[bytes] = []
        self.says: Exception | None = None
        self.may = asyncio.Event()
        self.may.set()

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        if isinstance(self.says, Unsent):
            raise self.says
        self.asked.append(body)
        await self.may.wait()
        if self.says is not None:
            raise self.says
        return Answer(200, {"content-type": "text/csv"}, self.address.socket.encode())

    async def stream(self, headers: Mapping[str, str], body: bytes, timeout: float) -> StreamedAnswer:
        raise NotImplementedError

    async def ping(self, timeout: float) -> bool:
        return True

    async def get(self, path: str, timeout: float) -> Answer:
        return Answer(404, {}, b"")

    def close(self) -> None:
        """Nothing is open."""


class Front:
    def __init__(self, folder: Path) -> None:
        self.replicas: dict[str, Echo] = {}
        self._snapshot = folder / "routes.json"
        self.counters = Counters()
        self.inference = Inference(RouteTable(self._snapshot, self._connect), self.counters)

    def _connect(self, address: Address) -> Echo:
        return self.replicas.setdefault(address.socket, Echo(address))

    def route(self, variant: dict[str, Any], **more: Any) -> None:
        entry = {"arn": "arn", "variants": [variant], **more}
        self._snapshot.write_bytes(orjson.dumps({"generation": 1, "endpoints": {KEY: entry}}))

    async def ask(self, body: bytes = b"1", **headers: str) -> str:
        answer = await self.inference.handle(WORLD, Request("POST", "/endpoints/e/invocations", "", headers, body))
        assert isinstance(answer.body, bytes)  # type: ignore[union-attr]
        return answer.body.decode()  # type: ignore[union-attr]

    def counted(self) -> dict[tuple[str, str], dict[str, Any]]:
        message = orjson.loads(self.counters.drain(0.0) or b'{"variants": []}')
        return {(entry["variant"], entry["config"]): entry for entry in message["variants"]}


def entry(*sockets: str, name: str = "v", weight: float = 1.0, **more: Any) -> dict[str, Any]:
    replicas = [{"protocol": "frames", "socket": socket, "port": 8080} for socket in sockets]
    return {"name": name, "weight": weight, "replicas": replicas, **more}


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 10), (0.25, 25), (1.0, 100)])
async def test_the_new_fleet_gets_its_share(front: Front, share: float, expected: int) -> None:
    front.route(entry("blue", config="c1", green=entry("green", config="c2", share=share)))
    answers = [await front.ask() for _ in range(100)]
    assert answers.count("green") == pytest.approx(expected, abs=1)
    counted = front.counted()
    assert counted["v", "c2"]["Invocations"] == answers.count("green")


async def test_a_target_variant_is_shared_as_well(front: Front) -> None:
    front.route(entry("blue", green=entry("green", share=0.5)))
    answers = {await front.ask(**{"x-amzn-sagemaker-target-variant": "v"}) for _ in range(4)}
    assert answers == {"blue", "green"}


@pytest.mark.parametrize("dead", ["blue", "green"])
async def test_when_no_replica_of_one_fleet_can_be_reached_the_other_answers(front: Front, dead: str) -> None:
    front.route(entry("blue", green=entry("green", share=0.5)))
    await front.ask()
    front.replicas.setdefault(dead, Echo(Address("frames", dead))).says = Unsent("gone")
    assert {await front.ask() for _ in range(10)} == {"green" if dead == "blue" else "blue"}


async def test_a_fleet_without_replicas_has_the_other(front: Front) -> None:
    front.route(entry("blue", green=entry(share=0.5)))
    assert {await front.ask() for _ in range(10)} == {"blue"}


async def test_a_shadow_gets_copies_of_its_share_and_its_answers_are_dropped(front: Front) -> None:
    front.route(entry("blue"), shadow=[entry("dark", name="s", weight=0.5, share=0.5)])
    answers = [await front.ask(str(number).encode()) for number in range(20)]
    await front.inference.mirror.idle()
    assert set(answers) == {"blue"}
    assert len(front.replicas["dark"].asked) == 10
    counted = front.counted()
    assert (counted["v", ""]["Invocations"], counted["s", ""]["Invocations"]) == (20, 10)
    assert counted["s", ""]["ModelLatency"][0] == 10


async def test_copies_that_fail_are_counted_and_nobody_else_notices(front: Front) -> None:
    front.route(entry("blue"), shadow=[entry("dark", name="s", share=1.0)])
    await front.ask()
    await front.inference.mirror.idle()
    for problem in (Broken("gone"), TimeoutError(), Unsent("not there")):
        front.replicas["dark"].says = problem
        assert await front.ask() == "blue"
        await front.inference.mirror.idle()
    counted = front.counted()
    assert (counted["s", ""]["Invocations"], counted["s", ""]["Invocation5XXErrors"]) == (4, 3)
    assert counted["v", ""]["Invocation5XXErrors"] == 0


async def test_what_a_slow_shadow_has_no_room_for_is_dropped_and_counted(front: Front) -> None:
    front.route(entry("blue"), shadow=[entry("dark", name="s", share=1.0)])
    await front.ask()
    await front.inference.mirror.idle()
    front.replicas["dark"].may.clear()
    for _ in range(MOST_COPIES + 6):
        assert await front.ask() == "blue"
    front.replicas["dark"].may.set()
    await front.inference.mirror.idle()
    counted = front.counted()["s", ""]
    assert (counted["Invocations"], counted["ShadowInvocationsDropped"]) == (MOST_COPIES + 1, 6)
    assert await front.ask() == "blue"
    await front.inference.mirror.idle()
    assert front.counted()["s", ""]["ShadowInvocationsDropped"] == 0


async def test_a_shadow_cannot_be_called(front: Front) -> None:
    front.route(entry("blue"), shadow=[entry("dark", name="s", share=1.0)])
    with pytest.raises(Fault, match="Variant s of endpoint e not found"):
        await front.ask(**{"x-amzn-sagemaker-target-variant": "s"})


def test_asynchronous_requests_follow_the_share_as_well() -> None:
    """An asynchronous endpoint's requests go by weight; with all calls on the new fleet none goes to the old one."""
    capacity = Capacity(connect=Echo)
    capacity.follow({"variants": [entry("blue", green=entry("green", share=0.5))]})
    taken = [capacity.free() for _ in range(1)]
    for _ in range(3):
        assert taken[-1] is not None
        taken[-1].running += 1
        taken.append(capacity.free())
    assert [instance and instance.replica.address.socket for instance in taken] == ["blue", "green", "blue", "green"]
    assert {instance and instance.variant for instance in taken} == {"v"}
    capacity.follow({"variants": [entry("blue", green=entry("green", share=1.0))]})
    found = capacity.free()
    assert found is not None
    assert found.replica.address.socket == "green"
    capacity.close()
