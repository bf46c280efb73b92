"""The way of a call that finds no container of a serverless variant: a front asks, the controller starts one, the routes name it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson

from sagewright.base.world import World
from sagewright.features.hosting.demand import Demand, Key
from sagewright.features.hosting.publish import Publisher
from sagewright.signals.metrics import Point, put
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity

PATIENCE = 100.0
"""Seconds a front is kept waiting; it asks again."""
_log = logging.getLogger(__name__)


class Waking:
    """``told`` is called with the identity of an endpoint that should be looked at now."""

    def __init__(self, store: Store, publisher: Publisher, demand: Demand, told: Callable[[Identity], None]) -> None:
        self._store = store
        self._publisher = publisher
        self._demand = demand
        self._told = told
        self._measuring: set[asyncio.Task[None]] = set()

    async def wake(self, asked: Mapping[str, Any]) -> int:
        """Takes one ``wake`` question (front/serverless.py); answers 200 once the routes name more than ``have`` containers, 404
        when they do not name the variant, 503 when that takes too long."""
        account, region, name = asked["endpoint"].split("/")
        world, variant = World(account, region), asked["variant"]
        began = self._store.clock.now()
        self._told((world, "Endpoint", name))
        while (count := self._count(world, name, variant)) is not None and count <= asked["have"]:
            if self._store.clock.now() > began + PATIENCE:
                return 503
            self._need((world, name, variant), asked["wanted"])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._demand.idle / 3):
                    await self._publisher.changed()
        if count is None:
            return 404
        self._measure(world, {"EndpointName": name, "VariantName": variant}, began)
        return 200

    def use(self, body: bytes) -> None:
        """Takes one ``use`` message: what was needed at once in the last second, by endpoint and variant."""
        for endpoint, variant, count in orjson.loads(body):
            account, region, name = endpoint.split("/")
            self._need((World(account, region), name, variant), count)

    def _need(self, key: Key, count: int) -> None:
        if self._demand.need(key, count, self._store.clock.now()):
            self._told((key[0], "Endpoint", key[1]))

    def _count(self, world: World, name: str, variant: str) -> int | None:
        entry = self._publisher.entry(world, name) or {"variants": []}
        found = next((found for found in entry["variants"] if found["name"] == variant), None)
        return None if found is None or "serverless" not in found else len(found["replicas"])

    def _measure(self, world: World, dimensions: Mapping[str, str], began: float) -> None:
        """ModelSetupTime, beside the answer: whoever waits for the container does not wait for the metric."""
        now = self._store.clock.now()
        microseconds = 1e6 * (now - began)
        point = Point(now, 1, microseconds, microseconds, microseconds, "Microseconds")

        def work(transaction: Transaction) -> None:
            put(transaction, world, "AWS/SageMaker", "ModelSetupTime", dimensions, (point,))

        async def write() -> None:
            try:
                await self._store.write(work)
            except Exception:  # noqa: BLE001 - a metric is not worth a call
                _log.exception("ModelSetupTime could not be written")

        task = asyncio.create_task(write())
        self._measuring.add(task)
        task.add_done_callback(self._measuring.discard)
