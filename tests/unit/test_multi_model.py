"""What the front knows of multi-model replicas, and how control keeps their models on disk (K06; DG multi-model-endpoints)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.objects import MemoryObjects
from support.serving import archive

from sagewright.compute.replica import MODEL, Address, Answer, StreamedAnswer, Unsent
from sagewright.front.counters import Counters
from sagewright.front.multi_model import BUSIER, MultiModel, Refused, model_name
from sagewright.front.routes import Models, Variant
from sagewright.objects.s3 import Location
from sagewright.serving.model_store import ModelStore, Unfetchable
from sagewright.wire.errors import Fault


class Host:
    """A container with room for ``room`` models."""

    def __init__(self, name: str, room: int = 2) -> None:
        self.address = Address("http", name)
        self.in_flight = 0
        self.room = room
        self.models: list[str] = []
        self.managed: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.loads_badly = False

    async def manage(self, operation: str, model: str, body: bytes, timeout: float) -> Answer:
        self.managed.append((operation, model))
        if operation == "list_models":
            return Answer(200, {}, orjson.dumps({"models": [{"modelName": name} for name in self.models]}))
        if operation == "describe_model":
            return Answer(200 if model in self.models else 404, {}, b"")
        if operation == "unload_model":
            self.models.remove(model)
            return Answer(200, {}, b"")
        if self.loads_badly:
            return Answer(500, {}, b"bad model")
        if model in self.models:
            return Answer(409, {}, b"")
        if len(self.models) >= self.room:
            return Answer(507, {}, b"full")
        self.models.append(model)
        return Answer(200, {}, b"")

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        self.in_flight += 1
        try:
            await self.gate.wait()
            return Answer(200 if headers[MODEL] in self.models else 404, {}, body)
        finally:
            self.in_flight -= 1

    async def stream(self, headers: Mapping[str, str], body: bytes, timeout: float) -> StreamedAnswer:
        raise NotImplementedError

    async def ping(self, timeout: float) -> bool:
        return True

    async def get(self, path: str, timeout: float) -> Answer:
        return Answer(404, {}, b"")

    def close(self) -> None:
        """Nothing is open."""


class Rig:
    """A variant of such hosts."""

    def __init__(self, *hosts: Host, caches: bool = True, patience: float = 60.0) -> None:
        self.hosts = hosts
        self.brought: list[str] = []
        self.answer: dict[str, Any] = {"status": 200, "url": "/opt/ml/models/x/model", "seconds": 0.1}
        self.fetched = asyncio.Event()
        self.fetched.set()
        self.models = MultiModel(self._bring, Counters(), patience)
        self.variant = Variant("v", 1.0, hosts, models=Models(tuple("f" for _ in hosts), caches))

    async def _bring(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        self.brought.append(asked["target"])
        await self.fetched.wait()
        return self.answer

    async def ask(self, target: str) -> Answer:
        headers: dict[str, str] = {}
        first, *_ = await self.models.prepare("1/r/e", self.variant, target, headers)
        return await first.invoke(headers, b"!", 1.0)


@pytest.mark.parametrize("target", ["", "a" * 1025, "/a", "..", "a/../b", "./a", "a\nb", "a/.."])
def test_targets_that_are_no_paths_are_refused(target: str) -> None:
    with pytest.raises(Fault):
        model_name(target)


def test_the_name_of_a_model_is_no_path() -> None:
    assert "/" not in model_name("a/b.tar.gz")
    assert model_name("a") != model_name("b")


async def test_the_model_asked_for_longest_ago_leaves() -> None:
    host = Host("h")
    rig = Rig(host)
    for target in ("a", "b", "a", "c"):
        assert (await rig.ask(target)).status == 200
    assert host.models == [model_name("a"), model_name("c")]
    assert rig.brought == ["a", "b", "c"]


async def settled() -> None:
    """Everything that could go on has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_model_at_work_is_not_unloaded() -> None:
    host = Host("h", room=1)
    rig = Rig(host)
    await rig.ask("a")
    host.gate.clear()
    working = asyncio.create_task(rig.ask("a"))
    await settled()
    waiting = asyncio.create_task(rig.ask("b"))
    await settled()
    assert ("load_model", model_name("b")) in host.managed
    assert host.models == [model_name("a")]
    host.gate.set()
    assert [(await task).status for task in (working, waiting)] == [200, 200]
    assert host.models == [model_name("b")]


async def test_a_front_that_begins_anew_makes_room_among_models_it_does_not_know() -> None:
    host = Host("h", room=1)
    await Rig(host).ask("a")
    assert (await Rig(host).ask("b")).status == 200
    assert host.models == [model_name("b")]


async def test_a_container_that_forgot_a_model_gets_it_again() -> None:
    host = Host("h")
    rig = Rig(host)
    await rig.ask("a")
    host.models.clear()
    assert (await rig.ask("a")).status == 200
    assert rig.brought == ["a", "a"]


async def test_what_never_fits_is_the_containers_answer() -> None:
    rig = Rig(Host("h", room=0))
    with pytest.raises(Refused) as caught:
        await rig.ask("a")
    assert caught.value.answer.status == 507


async def test_a_bad_model_is_tried_again_with_the_next_call() -> None:
    host = Host("h")
    host.loads_badly = True
    rig = Rig(host)
    for _ in range(2):
        with pytest.raises(Refused):
            await rig.ask("a")
    host.loads_badly = False
    assert (await rig.ask("a")).status == 200


async def test_who_waits_too_long_is_told_and_the_model_comes_all_the_same() -> None:
    """DG invoke-multi-model-endpoint: ModelNotReadyException, 429."""
    rig = Rig(Host("h"), patience=0.01)
    rig.fetched.clear()
    with pytest.raises(Fault) as caught:
        await rig.ask("a")
    assert (caught.value.code, caught.value.status) == ("ModelNotReadyException", 429)
    rig.fetched.set()
    assert (await rig.ask("a")).status == 200
    assert rig.brought == ["a"]


async def test_models_spread_and_stay_and_a_busy_replica_gets_help() -> None:
    """Smart routing."""
    rig = Rig(*(Host(name, 1000) for name in "abc"))
    for _ in range(2):
        for number in range(60):
            await rig.ask(str(number))
    assert len(rig.brought) == 60
    assert min(len(host.models) for host in rig.hosts) > 5
    home = next(host for host in rig.hosts if model_name("0") in host.models)
    home.in_flight = BUSIER + 1
    await rig.ask("0")
    assert sum(model_name("0") in host.models for host in rig.hosts) == 2


async def test_a_model_that_is_not_to_be_cached_leaves() -> None:
    host = Host("h")
    await Rig(host, caches=False).ask("a")
    assert host.models == []


async def test_a_replica_that_has_gone_is_not_waited_for() -> None:
    rig = Rig(Host("h"))
    rig.answer = {"status": 404, "message": "The replica has gone."}
    with pytest.raises(Fault) as caught:
        await rig.ask("a")
    assert caught.value.code == "ServiceUnavailable"


async def test_without_replicas_nobody_is_asked() -> None:
    rig = Rig()
    assert not await rig.models.prepare("1/r/e", rig.variant, "a", {})
    assert issubclass(Unsent, ConnectionError)


class TestStore:
    async def test_disk_is_bounded_and_what_was_asked_for_longest_ago_goes(self, tmp_path: Path) -> None:
        objects = MemoryObjects("b")
        for name in "abc":
            objects.put(f"s3://b/{name}", archive({"x": bytes(40_000)}))
        store = ModelStore(objects, 110_000)
        for name in ("a", "b", "a", "c"):
            await store.bring(tmp_path, name, Location("b", name))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]
        again = ModelStore(objects, 110_000)
        assert await again.bring(tmp_path, "a", Location("b", "a")) == 0.0
        assert await again.bring(tmp_path, "b", Location("b", "b")) > 0.0
        await store.close()

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (None, "Failed to download model data"),
            (b"no archive", "Failed to extract"),
            (archive({"x": bytes(200_000)}), "Failed to extract"),
            (archive({"../x": b""}), "Failed to extract"),
        ],
        ids=["not there", "no archive", "too large", "outside"],
    )
    async def test_nothing_is_left_of_what_cannot_be_brought(self, tmp_path: Path, body: bytes | None, words: str) -> None:
        objects = MemoryObjects("b")
        if body is not None:
            objects.put("s3://b/a", body)
        store = ModelStore(objects, 100_000)
        for _ in range(2):
            with pytest.raises(Unfetchable, match=words):
                await store.bring(tmp_path, "a", Location("b", "a"))
        assert not list(tmp_path.rglob("x"))
        objects.put("s3://b/a", archive({"x": b"1"}))
        await store.bring(tmp_path, "a", Location("b", "a"))
        assert (tmp_path / "a" / "model" / "x").read_bytes() == b"1"
