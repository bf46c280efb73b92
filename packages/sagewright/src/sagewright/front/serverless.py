"""Serverless variants: one request at a time per container, a container started when there is none, throttling beyond the limit.

A call that finds no idle container asks control for one (``wake``) and waits: for that one, or for any that becomes idle before. What
was needed at once is told to control every second, so that it knows what may sleep. Each front counts by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson

from sagewright.compute.replica import Replica
from sagewright.front.routes import RouteTable, Variant
from sagewright.wire.errors import Fault

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a request body (Developer Guide, serverless-endpoints)."""
PERIOD = 1.0
PATIENCE = 60.0
"""Seconds a call waits for a container: as long as it may take altogether (Developer Guide, serverless-endpoints-invoke)."""
_PAUSE = 0.02

Wake = Callable[[dict[str, Any]], Awaitable[int]]
"""Asks control for a container: ``{"op", "endpoint", "variant", "wanted", "have"}``; the status of its answer."""


class Lent:
    """A container that takes no other call meanwhile."""

    def __init__(self, gate: _Gate, replica: Replica) -> None:
        self._gate = gate
        self.replica = replica

    def is_gone(self) -> None:
        """It could not be reached: nobody is given it again."""
        self._gate.gone.add(self.replica)


class Gates:
    """One gate for each serverless variant that was called."""

    def __init__(self, routes: RouteTable, wake: Wake, patience: float = PATIENCE) -> None:
        self._routes = routes
        self._wake = wake
        self._patience = patience
        self._gates: dict[tuple[str, str], _Gate] = {}

    @asynccontextmanager
    async def lent(self, endpoint: str, variant: Variant) -> AsyncIterator[Lent]:
        """A container for one call. Raises Fault."""
        gate = self._gates.get((endpoint, variant.name))
        if gate is None:
            gate = self._gates[endpoint, variant.name] = _Gate(endpoint, variant.name, self._routes, self._wake)
        replica = await gate.take(variant, self._patience)
        try:
            yield Lent(gate, replica)
        finally:
            gate.give_back(replica)

    async def report(self, tell: Callable[[Mapping[str, str], bytes], Awaitable[None]]) -> None:
        """Tells control every second what was needed at once, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            self._forget_deleted()
            peaks = [[*key, peak] for key, gate in self._gates.items() if (peak := gate.drain())]
            if peaks:
                with suppress(ConnectionError):
                    await tell({"op": "use"}, orjson.dumps(peaks))

    def _forget_deleted(self) -> None:
        """Of endpoints that are gone."""
        for endpoint, variant in [key for key, gate in self._gates.items() if gate.is_idle]:
            if self._routes.find(endpoint) is None:
                del self._gates[endpoint, variant]


class _Gate:
    """One variant: who is at work, who waits."""

    def __init__(self, endpoint: str, variant: str, routes: RouteTable, wake: Wake) -> None:
        self._endpoint = endpoint
        self._name = variant
        self._routes = routes
        self._wake = wake
        self._busy: set[Replica] = set()
        self._waiting: deque[asyncio.Future[Replica]] = deque()
        self._waker: asyncio.Task[None] | None = None
        self._peak = 0
        self.gone: set[Replica] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work or waits."""
        return not self._busy and not self._waiting

    async def take(self, variant: Variant, patience: float) -> Replica:
        """Raises Fault."""
        if len(self._busy) + len(self._waiting) >= variant.serverless:
            raise Fault("ThrottlingException", "Rate exceeded", 400)
        self._peak = max(self._peak, len(self._busy) + len(self._waiting) + 1)
        replica = None if self._waiting else self._idle(variant)
        if replica is not None:
            self._busy.add(replica)
            return replica
        return await self._wait(patience)

    def give_back(self, replica: Replica) -> None:
        """The call is over."""
        self._busy.discard(replica)
        self._hand_out()

    def drain(self) -> int:
        """The most that was needed at once since the last time."""
        peak, self._peak = self._peak, len(self._busy) + len(self._waiting)
        return peak

    async def _wait(self, patience: float) -> Replica:
        turn: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._waker is None or self._waker.done():
            self._waker = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(patience):
                return await turn
        except TimeoutError as late:
            raise _not_ready(self._endpoint) from late
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(turn.result())  # it was given to somebody who has just left
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(turn)

    async def _ask(self) -> None:
        """Asks for containers as long as somebody waits."""
        while self._waiting:
            variant = self._variant()
            if variant is None:
                self._refuse(_missing(self._endpoint))
                return
            question = {
                "op": "wake",
                "endpoint": self._endpoint,
                "variant": self._name,
                "wanted": len(self._busy) + len(self._waiting),
                "have": sum(replica not in self.gone for replica in variant.replicas),
            }
            try:
                status = await self._wake(question)
            except Fault as fault:
                self._refuse(fault)
                return
            if status == 404:
                self._refuse(_missing(self._endpoint))
                return
            before = len(self._waiting)
            self._hand_out()
            if len(self._waiting) >= before:
                await asyncio.sleep(_PAUSE)  # what control counts is not there any more: it will see that, too

    def _hand_out(self) -> None:
        """Idle containers to those who wait, the first come first."""
        if not self._waiting:
            return
        variant = self._variant()
        while variant is not None and self._waiting and (replica := self._idle(variant)) is not None:
            turn = self._waiting.popleft()
            if not turn.done():
                self._busy.add(replica)
                turn.set_result(replica)

    def _refuse(self, fault: Fault) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(fault)

    def _idle(self, variant: Variant) -> Replica | None:
        """The first that has nothing to do: so the last ones fall asleep."""
        if self.gone:
            self.gone.intersection_update(variant.replicas)
        return next((replica for replica in variant.replicas if replica not in self._busy and replica not in self.gone), None)

    def _variant(self) -> Variant | None:
        endpoint = self._routes.find(self._endpoint)
        return None if endpoint is None else endpoint.by_name.get(self._name)


async def nobody(question: dict[str, Any]) -> int:
    """For a front without control: there are never more containers than the routes name."""
    return 404


def too_large(size: int) -> Fault:
    """For a body that only endpoints with instances take."""
    return Fault("ValidationError", f"The request body has {size} bytes; serverless endpoints accept {BODY_LIMIT}.", 413)


def _not_ready(endpoint: str) -> Fault:
    """API InvokeEndpoint, ModelNotReadyException: "a serverless endpoint variant's resources are still being provisioned"."""
    name = endpoint.rpartition("/")[2]
    return Fault(
        "ModelNotReadyException", f"The resources of endpoint {name} are still being provisioned. Wait and try again.", 429
    )


def _missing(endpoint: str) -> Fault:
    account, _, name = endpoint.split("/")
    return Fault("ValidationError", f"Endpoint {name} of account {account} not found.")
