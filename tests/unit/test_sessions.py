"""Stateful sessions and routing strategies of InvokeEndpoint (DG:stateful-sessions; API ProductionVariant RoutingConfig; K08)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from sagewright.compute.replica import Address, Answer, Chunks, Replica, StreamedAnswer
from sagewright.front.counters import Counters
from sagewright.front.inference import Inference
from sagewright.front.routes import RouteTable
from sagewright.front.sessions import Sessions
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

FUTURE, PAST = "2199-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


class Caller:
    account = "123456789012"
    region = "eu-west-1"


class Stateful:
    """A container that opens a session on "open", closes it on "close" and says its own name."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0
        self.asked: list[dict[str, str]] = []
        self.opens = f"session-{address.socket}; Expires={FUTURE}"

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        self.asked.append(dict(headers))
        said = {b"open": {"x-amzn-sagemaker-new-session-id": self.opens}}.get(body, {})
        if body == b"close":
            said = {"x-amzn-sagemaker-closed-session-id": headers["session_id"]}
        return Answer(200, {"content-type": "text/plain", **said}, self.address.socket.encode())

    async def stream(self, headers: Mapping[str, str], body: bytes, timeout: float) -> StreamedAnswer:
        parts = [(await self.invoke(headers, body, timeout)).body]

        async def take() -> bytes | None:
            return parts.pop() if parts else None

        return StreamedAnswer(200, {}, Chunks(take, parts.clear))

    async def ping(self, timeout: float) -> bool:
        return True

    async def get(self, path: str, timeout: float) -> Answer:
        return Answer(404, {}, b"")

    def close(self) -> None:
        pass


class Front:
    """One front; several may share a folder, as processes do."""

    def __init__(self, folder: Path, sockets: tuple[str, ...] = ("r1", "r2", "r3"), **variant: Any) -> None:
        self.snapshot = folder / "routes.json"
        self.containers: dict[str, Stateful] = {}
        self.route(sockets, **variant)
        routes = RouteTable(self.snapshot, self._connect)
        self.inference = Inference(routes, Counters(), sessions=Sessions(folder / "sessions"))

    def route(self, sockets: tuple[str, ...], **variant: Any) -> None:
        replicas = [{"protocol": "http", "socket": socket, "port": 8080} for socket in sockets]
        entry = {"arn": "arn", "variants": [{"name": "v", "weight": 1.0, "replicas": replicas, **variant}]}
        partial = self.snapshot.with_suffix(".partial")
        partial.write_bytes(orjson.dumps({"generation": 1, "endpoints": {"123456789012/eu-west-1/e": entry}}))
        partial.replace(self.snapshot)

    def _connect(self, address: Address) -> Replica:
        return self.containers.setdefault(address.socket, Stateful(address))

    async def ask(self, body: bytes, session: str | None = None, action: str = "invocations") -> Any:
        headers = {} if session is None else {"x-amzn-sagemaker-session-id": session}
        return await self.inference.handle(Caller(), Request("POST", f"/endpoints/e/{action}", "", headers, body))


async def opened(front: Front) -> tuple[str, bytes]:
    """The id of a new session and the name of the container that holds it."""
    answer: Response = await front.ask(b"open", "NEW_SESSION")
    said = dict(answer.headers)["X-Amzn-SageMaker-New-Session-Id"]
    return said.partition(";")[0], answer.body


async def test_a_session_stays_with_its_container(tmp_path: Path) -> None:
    front = Front(tmp_path)
    for _ in range(3):
        session, holder = await opened(front)
        assert [(await front.ask(b"x", session)).body for _ in range(6)] == [holder] * 6
        assert front.containers[holder.decode()].asked[-1]["session_id"] == session, "the container sees it"


async def test_another_front_knows_it_too(tmp_path: Path) -> None:
    """Several front processes, and one that was started again."""
    session, holder = await opened(Front(tmp_path))
    assert (await Front(tmp_path).ask(b"x", session)).body == holder


async def test_it_ends_when_the_container_closes_it(tmp_path: Path) -> None:
    front = Front(tmp_path)
    session, _ = await opened(front)
    closed = await front.ask(b"close", session)
    assert dict(closed.headers)["X-Amzn-SageMaker-Closed-Session-Id"] == session
    for asked in (front, Front(tmp_path)):
        with pytest.raises(Fault, match=f"Session {session} not found"):
            await asked.ask(b"x", session)


async def test_it_ends_with_its_time(tmp_path: Path) -> None:
    front = Front(tmp_path, ("r1",))
    await front.ask(b"x")
    front.containers["r1"].opens = f"late; Expires={PAST}"
    session, _ = await opened(front)
    with pytest.raises(Fault, match="not found"):
        await front.ask(b"x", session)


async def test_it_ends_with_its_container(tmp_path: Path) -> None:
    front = Front(tmp_path)
    session, holder = await opened(front)
    front.route(tuple({"r1", "r2", "r3"} - {holder.decode()}))
    with pytest.raises(Fault, match="its instance is gone"):
        await front.ask(b"x", session)


@pytest.mark.parametrize("session", ["unknown", "../routes", "a" * 257, "-a"])
async def test_what_is_no_session(tmp_path: Path, session: str) -> None:
    with pytest.raises(Fault) as caught:
        await Front(tmp_path).ask(b"x", session)
    assert (caught.value.code, caught.value.status) == ("ValidationError", 400)


@pytest.mark.parametrize(
    "said", ["", "no time", "id; Expires=tomorrow", f"-; Expires={FUTURE}", f"{'a' * 300}; Expires={FUTURE}"]
)
async def test_a_container_that_answers_garbage(tmp_path: Path, said: str) -> None:
    """The endpoint goes on; an empty header opens nothing."""
    front = Front(tmp_path, ("r1",))
    await front.ask(b"x")
    front.containers["r1"].opens = said
    if said:
        with pytest.raises(Fault) as caught:
            await front.ask(b"open", "NEW_SESSION")
        assert caught.value.code == "ModelError"
    else:
        await front.ask(b"open", "NEW_SESSION")
    assert (await front.ask(b"x")).body == b"r1"


async def test_streams_join_a_session_and_cannot_open_one(tmp_path: Path) -> None:
    """RT:InvokeEndpointWithResponseStream, SessionId."""
    front = Front(tmp_path)
    session, holder = await opened(front)
    for _ in range(4):
        answer = await front.ask(b"x", session, "invocations-response-stream")
        assert holder in b"".join([part async for part in answer.parts])
    with pytest.raises(Fault, match="cannot create"):
        await front.ask(b"open", "NEW_SESSION", "invocations-response-stream")


async def test_random_routing_takes_no_turns(tmp_path: Path) -> None:
    """RoutingStrategy RANDOM: every container gets its share, whatever is in flight."""
    front = Front(tmp_path, routing="RANDOM")
    await front.ask(b"x")
    front.containers.setdefault("r1", Stateful(Address("http", "r1"))).in_flight = 100
    found = Counter([(await front.ask(b"x")).body for _ in range(600)])
    assert set(found) == {b"r1", b"r2", b"r3"}
    assert min(found.values()) > 120
