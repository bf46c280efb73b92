"""Multi-model endpoints: which replica has the model, and that it is loaded before it is asked (Developer Guide, multi-model-endpoints).

A model stays with one replica while that is not busier than the others. What a container holds, and what was asked of it longest ago,
is known here; a container that says otherwise is right. Control brings the files, the container loads them, and one that has no
memory left (507) gives up the model that was asked for longest ago.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from time import monotonic, perf_counter
from typing import Any, cast
from weakref import WeakKeyDictionary
from zlib import crc32

import orjson

from sagewright.compute.payload import FilePayload
from sagewright.compute.replica import MODEL, Address, Answer, Broken, ModelHost, Replica, StreamedAnswer
from sagewright.front.counters import Counters
from sagewright.front.routes import Variant
from sagewright.wire.errors import Fault

HEADER = "x-amzn-sagemaker-target-model"
BUSIER = 8
"""Calls in flight by which a model's own replica may exceed the idlest before another one takes the model, too."""
READY_SECONDS = 60.0
"""A caller waits so long for a model; it goes on loading (Developer Guide, invoke-multi-model-endpoint)."""
LOAD_SECONDS = 360.0
UNLOAD_SECONDS = 30.0
COUNTED_SECONDS = 60.0
"""At least so often the loaded models of a replica that is asked are counted."""

Bring = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Has control bring a model to a replica (front/control.py)."""


class Refused(Exception):
    """The container does not load the model; ``answer`` is what it said."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the container does not load the model: {answer.status}")
        self.answer = answer


class _Loaded:
    """A model in a container: calls under way."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0


class _Host:
    """What is known of one replica: its models, the one that was asked for longest ago first."""

    def __init__(self) -> None:
        self.models: OrderedDict[str, _Loaded] = OrderedDict()
        self.coming: dict[str, asyncio.Task[None]] = {}
        self.freed = asyncio.Event()
        self.counted = 0.0


class MultiModel:
    """Prepares calls to multi-model variants."""

    def __init__(self, bring: Bring, counters: Counters, patience: float = READY_SECONDS) -> None:
        self._bring = bring
        self._counters = counters
        self._patience = patience
        self._hosts: WeakKeyDictionary[Replica, _Host] = WeakKeyDictionary()

    async def prepare(self, key: str, variant: Variant, target: str, headers: dict[str, str]) -> Sequence[Replica]:
        """The replica to ask, with the model loaded, and whom to ask when it cannot be reached. Raises Fault, Refused, Broken."""
        name = model_name(target)
        headers[MODEL], headers["target_model"] = name, target
        ranked = [Asked(self, key, variant, place, target, name) for place in _ranked(variant, name)]
        if ranked:
            await ranked[0].load()
        return ranked

    def host(self, replica: Replica) -> _Host:
        """What is known of a replica."""
        host = self._hosts.get(replica)
        if host is None:
            host = self._hosts[replica] = _Host()
        return host

    async def ready(self, asked: Asked) -> _Host:
        """Returns when the model is in the replica's container, which it is only until the next wait."""
        host = self.host(asked.replica)
        began = perf_counter()
        task = host.coming.get(asked.name)
        if task is None:
            task = host.coming[asked.name] = asyncio.create_task(self._load(host, asked))
            task.add_done_callback(partial(_came, host, asked.name))
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(task)
        except TimeoutError as late:
            if task.done():
                raise
            raise Fault("ModelNotReadyException", f"Model {asked.target} is not ready yet. Please try again.", 429) from late
        finally:
            asked.sample(self._counters, "ModelLoadingWaitTime", (perf_counter() - began) * 1e6)
        return host

    async def _load(self, host: _Host, asked: Asked) -> None:
        brought = await self._bring(
            {
                "endpoint": asked.key,
                "variant": asked.variant.name,
                "folder": asked.folder,
                "model": asked.name,
                "target": asked.target,
            }
        )
        if brought["status"] == 400:
            raise Fault("ValidationError", str(brought["message"]))
        if brought["status"] != 200:
            raise Fault("ServiceUnavailable", str(brought.get("message", "The model cannot be fetched now.")), 503)
        if brought["seconds"]:
            asked.sample(self._counters, "ModelDownloadingTime", brought["seconds"] * 1e6)
        began = perf_counter()
        await self._register(host, asked, orjson.dumps({"model_name": asked.name, "url": brought["url"]}))
        asked.sample(self._counters, "ModelLoadingTime", (perf_counter() - began) * 1e6)
        host.models[asked.name] = _Loaded()
        self.count(host, asked, always=True)

    async def _register(self, host: _Host, asked: Asked, body: bytes) -> None:
        """Loads; while the container has no room, unloads. 409 says that it is there already."""
        async with asyncio.timeout(LOAD_SECONDS):
            while True:
                answer = await asked.replica.manage("load_model", asked.name, body, LOAD_SECONDS)
                if answer.status == 409 or 200 <= answer.status < 300:
                    return
                if answer.status != 507 or not await self._make_room(host, asked):
                    raise Refused(answer)

    async def _make_room(self, host: _Host, asked: Asked) -> bool:
        """Unloads the model that was asked for longest ago; waits while all are at work. False when there is none."""
        while host.models:
            idle = next((name for name, loaded in host.models.items() if not loaded.calls), None)
            if idle is not None:
                await self.unload(host, asked, idle)
                return True
            host.freed.clear()
            await host.freed.wait()
        stranger = await self._stranger(host, asked)
        if stranger is not None:
            await self.unload(host, asked, stranger)
        return stranger is not None

    async def _stranger(self, host: _Host, asked: Asked) -> str | None:
        """A model of the container that this front does not know: it was loaded before this front was there, or by another."""
        answer = await asked.replica.manage("list_models", "", b"", UNLOAD_SECONDS)
        if answer.status != 200:
            return None
        try:
            listed = [str(model["modelName"]) for model in orjson.loads(answer.body)["models"]]
        except (ValueError, TypeError, KeyError):  # a container of the user's may answer anything
            return None
        return next((name for name in listed if name not in host.models), None)

    async def unload(self, host: _Host, asked: Asked, name: str) -> None:
        """Takes a model out of the container."""
        host.models.pop(name, None)
        began = perf_counter()
        await asked.replica.manage("unload_model", name, b"", UNLOAD_SECONDS)
        asked.sample(self._counters, "ModelUnloadingTime", (perf_counter() - began) * 1e6)
        self.count(host, asked, always=True)

    def count(self, host: _Host, asked: Asked, *, always: bool = False) -> None:
        """LoadedModelCount, when it changes and now and then."""
        now = monotonic()
        if always or now - host.counted > COUNTED_SECONDS:
            host.counted = now
            asked.sample(self._counters, "LoadedModelCount", float(len(host.models)), "None")

    def hit(self, asked: Asked, found: bool) -> None:
        """ModelCacheHit: the share of calls whose model was loaded already."""
        asked.sample(self._counters, "ModelCacheHit", float(found), "None")


class Asked:
    """One replica as one call sees it: a Replica that loads the model before it is asked."""

    def __init__(self, models: MultiModel, key: str, variant: Variant, place: int, target: str, name: str) -> None:
        assert variant.models is not None
        self.replica = cast(ModelHost, variant.replicas[place])
        self.folder = variant.models.folders[place]
        self.key = key
        self.variant = variant
        self.target = target
        self.name = name
        self._models = models
        self._caches = variant.models.caches
        self._dimensions = (("VariantName", variant.name),)

    @property
    def address(self) -> Address:
        """See Replica."""
        return self.replica.address

    @property
    def in_flight(self) -> int:
        """See Replica."""
        return self.replica.in_flight

    async def load(self) -> _Host:
        """Raises Fault, Refused, Broken, Unsent, TimeoutError."""
        host = self._models.host(self.replica)
        loaded = self.name in host.models
        self._models.hit(self, loaded)
        if not loaded:
            await self._models.ready(self)
        return host

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See Replica."""
        while True:
            host = await self._begin()
            try:
                answer = await self.replica.invoke(headers, body, timeout)
            finally:
                await self._end(host)
            if answer.status != 404 or not await self._is_gone(host):
                return answer

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """See Replica; the model may be unloaded once the container has begun to answer."""
        while True:
            host = await self._begin()
            try:
                answer = await self.replica.stream(headers, body, timeout)
            finally:
                await self._end(host)
            if answer.status != 404 or not await self._is_gone(host):
                return answer
            answer.chunks.close()

    async def ping(self, timeout: float) -> bool:
        """See Replica."""
        return await self.replica.ping(timeout)

    async def get(self, path: str, timeout: float) -> Answer:
        """See Replica."""
        return await self.replica.get(path, timeout)

    def close(self) -> None:
        """See Replica."""
        self.replica.close()

    def sample(self, counters: Counters, name: str, value: float, unit: str = "Microseconds") -> None:
        """One sample of a metric of this variant."""
        counters.sample(self.key, self._dimensions, name, value, unit)

    async def _begin(self) -> _Host:
        host = self._models.host(self.replica)
        while self.name not in host.models:  # it may have been unloaded for another since it came
            await self._models.ready(self)
        loaded = host.models[self.name]
        loaded.calls += 1
        host.models.move_to_end(self.name)
        self._models.count(host, self)
        return host

    async def _end(self, host: _Host) -> None:
        loaded = host.models.get(self.name)
        if loaded is None:
            return
        loaded.calls -= 1
        if loaded.calls:
            return
        host.freed.set()
        if not self._caches:
            await self._models.unload(host, self, self.name)

    async def _is_gone(self, host: _Host) -> bool:
        """A model may answer 404 itself; the container says whether it still has it."""
        answer = await self.replica.manage("describe_model", self.name, b"", UNLOAD_SECONDS)
        if answer.status != 404:
            return False
        host.models.pop(self.name, None)
        return True


@lru_cache(maxsize=65536)
def model_name(target: str) -> str:
    """The name that a container has for a TargetModel, and the folder of its files. Raises Fault for what is no path below a prefix."""
    if not target or target.startswith("/") or not target.isprintable() or {"..", "."} & set(target.split("/")):
        raise Fault("ValidationError", f"Target model {target[:256]!r} is not a valid relative path of a model.")
    return hashlib.sha256(target.encode()).hexdigest()[:32]


def _came(host: _Host, name: str, task: asyncio.Task[None]) -> None:
    host.coming.pop(name, None)
    if not task.cancelled():
        task.exception()  # whoever waited has it; nobody may be left


def _ranked(variant: Variant, name: str) -> list[int]:
    """The places of the replicas: the model's own first, unless it is much busier than the idlest one.

    Every front ranks alike (rendezvous hashing), and a replica that comes or goes moves only its own models.
    """
    replicas = variant.replicas
    if len(replicas) < 2:
        return list(range(len(replicas)))
    ranked = sorted(range(len(replicas)), key=lambda at: crc32(f"{name}{replicas[at].address}".encode()))
    least = min(replica.in_flight for replica in replicas)
    free = next(at for at in ranked if replicas[at].in_flight <= least + BUSIER)
    return [free, *(at for at in ranked if at != free)]


def check(endpoint: str, variant: Variant, target: str | None) -> None:
    """A multi-model endpoint needs the header, any other refuses it. Raises Fault."""
    if variant.models is None:
        message = f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header."
        raise Fault("ValidationError", message)
    if target is None:
        raise Fault("ValidationError", f"Request to endpoint {endpoint} is missing a target model header.")


async def nobody(asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Where no control is at hand, no model can be brought."""
    raise Broken("no control is at hand")
