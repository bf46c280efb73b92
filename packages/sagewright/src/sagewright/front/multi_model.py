"""Multi-model endpoints: which replica is asked for a model, and that the model is loaded there (Developer Guide,
multi-model-endpoints).

A model stays with one replica while that is not much busier than the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast
from weakref import WeakKeyDictionary
from zlib import crc32

from sagewright.compute.payload import FilePayload
from sagewright.compute.replica import MODEL, Address, Answer, Broken, ModelHost, Replica, StreamedAnswer
from sagewright.front.counters import Counters
from sagewright.front.residents import READY_SECONDS, Bring, Refused, Residents, Wanted
from sagewright.front.routes import Variant
from sagewright.wire.errors import Fault

__all__ = ["HEADER", "MultiModel", "Refused", "check", "model_name", "nobody"]

HEADER = "x-amzn-sagemaker-target-model"
BUSIER = 8
"""Calls in flight by which a model's own replica may exceed the idlest before another one takes the model, too."""


class MultiModel:
    """Prepares calls to multi-model variants."""

    def __init__(self, bring: Bring, counters: Counters, patience: float = READY_SECONDS) -> None:
        self._bring = bring
        self._counters = counters
        self._patience = patience
        self._residents: WeakKeyDictionary[Replica, Residents] = WeakKeyDictionary()

    async def prepare(self, endpoint: str, variant: Variant, target: str, headers: dict[str, str]) -> Sequence[Replica]:
        """The replica to ask, with the model loaded, and whom to ask when it cannot be reached.

        Raises Fault, Refused, Broken, Unsent, TimeoutError.
        """
        name, models = model_name(target), variant.models
        assert models is not None
        headers[MODEL], headers["target_model"] = name, target
        ranked = []
        for place in _ranked(variant, name):
            replica = cast("ModelHost", variant.replicas[place])
            wanted = Wanted(replica, endpoint, variant.name, models.folders[place], target, name)
            ranked.append(_Asked(wanted, self._of(replica), models.caches))
        if ranked:
            await ranked[0].load()
        return ranked

    def forget(self) -> None:
        """Knows of no model any more, as a new front does."""
        self._residents.clear()

    def _of(self, replica: Replica) -> Residents:
        residents = self._residents.get(replica)
        if residents is None:
            residents = self._residents[replica] = Residents(self._bring, self._counters, self._patience)
        return residents


class _Asked:
    """One replica as one call sees it: a Replica that loads the model before it is asked."""

    def __init__(self, wanted: Wanted, residents: Residents, caches: bool) -> None:
        self._wanted = wanted
        self._residents = residents
        self._caches = caches

    @property
    def address(self) -> Address:
        """See Replica."""
        return self._wanted.replica.address

    @property
    def in_flight(self) -> int:
        """See Replica."""
        return self._wanted.replica.in_flight

    async def load(self) -> None:
        """Counts whether the model was loaded already, and loads it if it was not."""
        found = self._wanted.name in self._residents
        self._residents.sample(self._wanted, "ModelCacheHit", float(found), "None")
        if not found:
            await self._residents.come(self._wanted)

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See Replica."""
        while True:
            await self._residents.begin(self._wanted)
            try:
                answer = await self._wanted.replica.invoke(headers, body, timeout)
            finally:
                await self._residents.end(self._wanted, keep=self._caches)
            if answer.status != 404 or not await self._residents.has_lost(self._wanted):
                return answer

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """See Replica; the model may be unloaded once the container has begun to answer."""
        while True:
            await self._residents.begin(self._wanted)
            try:
                answer = await self._wanted.replica.stream(headers, body, timeout)
            finally:
                await self._residents.end(self._wanted, keep=self._caches)
            if answer.status != 404 or not await self._residents.has_lost(self._wanted):
                return answer
            answer.chunks.close()

    async def ping(self, timeout: float) -> bool:
        """See Replica."""
        return await self._wanted.replica.ping(timeout)

    async def get(self, path: str, timeout: float) -> Answer:
        """See Replica."""
        return await self._wanted.replica.get(path, timeout)

    def close(self) -> None:
        """See Replica."""
        self._wanted.replica.close()


def check(endpoint: str, variant: Variant, target: str | None) -> None:
    """A multi-model endpoint needs the header, any other refuses it. Raises Fault."""
    if variant.models is None:
        message = f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header."
        raise Fault("ValidationError", message)
    if target is None:
        raise Fault("ValidationError", f"Request to endpoint {endpoint} is missing a target model header.")


@lru_cache(maxsize=65536)
def model_name(target: str) -> str:
    """The name that a container has for a TargetModel, and the folder of its files. Raises Fault for what is no path below a prefix."""
    if (
        not 0 < len(target) <= 1024
        or target.startswith("/")
        or not target.isprintable()
        or {"..", "."} & set(target.split("/"))
    ):
        raise Fault("ValidationError", f"Target model {target[:256]!r} is not a valid relative path of a model.")
    return hashlib.sha256(target.encode()).hexdigest()[:32]


async def nobody(asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Where no control is at hand, no model can be brought."""
    raise Broken("no control is at hand")


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
