"""The models that one replica holds: loads and unloads them, and knows which was asked for longest ago.

What is known here is a guess: the container is right. Control brings the files, the container loads them, and one that has no memory
left (507) gives up the model that was asked for longest ago (Developer Guide, multi-model-endpoints, mms-container-apis).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import orjson

from sagewright.compute.replica import Answer, ModelHost
from sagewright.front.counters import Counters, Dimensions
from sagewright.wire.errors import Fault

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


class Wanted(NamedTuple):
    """A model in a replica of an endpoint's variant. ``folder`` holds the replica's models on disk, ``name`` is the container's
    name of ``target``."""

    replica: ModelHost
    endpoint: str
    variant: str
    folder: str
    target: str
    name: str


class Residents:
    """See the module docstring. Holds no replica: it lives as long as one."""

    def __init__(self, bring: Bring, counters: Counters, patience: float) -> None:
        self._bring = bring
        self._counters = counters
        self._patience = patience
        self._calls: OrderedDict[str, int] = OrderedDict()
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()
        self._counted = 0.0

    def __contains__(self, name: str) -> bool:
        return name in self._calls

    async def come(self, wanted: Wanted) -> None:
        """Returns when the model is loaded, which it is only until the next wait; it is loaded once however many ask.

        Raises Fault, Refused, Broken, Unsent, TimeoutError.
        """
        began = perf_counter()
        task = self._coming.get(wanted.name)
        if task is None:
            task = self._coming[wanted.name] = asyncio.create_task(self._load(wanted))
            task.add_done_callback(partial(self._came, wanted.name))
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(task)
        except TimeoutError as late:
            if task.done():
                raise
            raise Fault("ModelNotReadyException", f"Model {wanted.target} is not ready yet. Please try again.", 429) from late
        finally:
            self.sample(wanted, "ModelLoadingWaitTime", (perf_counter() - began) * 1e6)

    async def begin(self, wanted: Wanted) -> None:
        """A call to the model begins; it is loaded first, if it must be. Raises as ``come``."""
        while wanted.name not in self._calls:  # it may have been unloaded for another since it came
            await self.come(wanted)
        self._calls[wanted.name] += 1
        self._calls.move_to_end(wanted.name)
        if monotonic() - self._counted > COUNTED_SECONDS:
            self._count(wanted)

    async def end(self, wanted: Wanted, *, keep: bool) -> None:
        """The call has ended; without ``keep`` the last one unloads its model."""
        calls = self._calls.get(wanted.name)
        if calls is None:
            return
        self._calls[wanted.name] = calls - 1
        if calls > 1:
            return
        self._freed.set()
        if not keep:
            await self._unload(wanted, wanted.name)

    async def has_lost(self, wanted: Wanted) -> bool:
        """Asks the container whether it has the model no longer: a model may answer 404 itself."""
        answer = await wanted.replica.manage("describe_model", wanted.name, b"", UNLOAD_SECONDS)
        if answer.status != 404:
            return False
        self._calls.pop(wanted.name, None)
        return True

    def sample(self, wanted: Wanted, name: str, value: float, unit: str = "Microseconds") -> None:
        """One sample of a metric of the variant."""
        dimensions: Dimensions = (("VariantName", wanted.variant),)
        self._counters.sample(wanted.endpoint, dimensions, name, value, unit)

    def _came(self, name: str, task: asyncio.Task[None]) -> None:
        self._coming.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may be left

    async def _load(self, wanted: Wanted) -> None:
        asked = {"endpoint": wanted.endpoint, "variant": wanted.variant, "folder": wanted.folder}
        brought = await self._bring({**asked, "model": wanted.name, "target": wanted.target})
        if brought["status"] == 400:
            raise Fault("ValidationError", str(brought["message"]))
        if brought["status"] != 200:
            raise Fault("ServiceUnavailable", str(brought.get("message", "The model cannot be fetched now.")), 503)
        if brought["seconds"]:
            self.sample(wanted, "ModelDownloadingTime", brought["seconds"] * 1e6)
        began = perf_counter()
        await self._register(wanted, orjson.dumps({"model_name": wanted.name, "url": brought["url"]}))
        self.sample(wanted, "ModelLoadingTime", (perf_counter() - began) * 1e6)
        self._calls[wanted.name] = 0
        self._count(wanted)

    async def _register(self, wanted: Wanted, body: bytes) -> None:
        """Loads; while the container has no room, unloads. 409 says that it is there already."""
        async with asyncio.timeout(LOAD_SECONDS):
            while True:
                answer = await wanted.replica.manage("load_model", wanted.name, body, LOAD_SECONDS)
                if answer.status == 409 or 200 <= answer.status < 300:
                    return
                if answer.status != 507 or not await self._make_room(wanted):
                    raise Refused(answer)

    async def _make_room(self, wanted: Wanted) -> bool:
        """Unloads the model that was asked for longest ago; waits while all are at work. False when there is none."""
        while self._calls:
            idle = next((name for name, calls in self._calls.items() if not calls), None)
            if idle is not None:
                await self._unload(wanted, idle)
                return True
            self._freed.clear()
            await self._freed.wait()
        stranger = await self._stranger(wanted)
        if stranger is not None:
            await self._unload(wanted, stranger)
        return stranger is not None

    async def _stranger(self, wanted: Wanted) -> str | None:
        """A model of the container that is not known here: it was loaded before this front was there, or by another."""
        answer = await wanted.replica.manage("list_models", "", b"", UNLOAD_SECONDS)
        if answer.status != 200:
            return None
        try:
            listed = [str(model["modelName"]) for model in orjson.loads(answer.body)["models"]]
        except (ValueError, TypeError, KeyError):  # a container of the user's may answer anything
            return None
        return next((name for name in listed if name not in self._calls), None)

    async def _unload(self, wanted: Wanted, name: str) -> None:
        self._calls.pop(name, None)
        began = perf_counter()
        await wanted.replica.manage("unload_model", name, b"", UNLOAD_SECONDS)
        self.sample(wanted, "ModelUnloadingTime", (perf_counter() - began) * 1e6)
        self._count(wanted)

    def _count(self, wanted: Wanted) -> None:
        """When it changes and now and then."""
        self._counted = monotonic()
        self.sample(wanted, "LoadedModelCount", float(len(self._calls)), "None")
