"""Starts, watches and takes down serving containers.

What runs is known from disk (the run folder) and from the container itself (its health check); this object's memory only saves
asking twice. A restarted control finds everything again.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from sagewright.base import files
from sagewright.compute import trees
from sagewright.compute.dialler import DIAL_SOCKET
from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.compute.environments.place import Place
from sagewright.compute.free import free_memory
from sagewright.compute.images import Image, resolve
from sagewright.compute.replica import Address
from sagewright.compute.runtime import InstanceSpec, Mount, Runtime
from sagewright.compute.way_back import WayBack
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import ErrandFailed, Errands
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import Access
from sagewright.serving import packages, pulled
from sagewright.serving.attendant import Attendant
from sagewright.serving.definition import holds_many
from sagewright.serving.gpus import Gpus
from sagewright.serving.model import CODE, SUBMIT_DIRECTORY, code_archive, fetch_model
from sagewright.serving.model_cache import ModelCache
from sagewright.serving.preflight import said_last
from sagewright.serving.step import Move
from sagewright.serving.unit import Seen, Unit
from sagewright.signals import logs
from sagewright.signals.tail import follow, forget
from sagewright.store.database import Store
from sagewright.store.rows import Identity

IPC = "/run/sagewright"
"""Where a container sees the folder for the frames socket."""
FRAMES = "frames.sock"
PORT = 8080
MODELS = "/opt/ml/models"
"""Where a container of many models finds them (Developer Guide, mms-container-apis)."""
ADAPTERS = "/opt/ml/adapters"
"""Where a container finds adapters of its model; AWS does not say where they are there."""
MODELS_SHARE = 0.8
"""The part of an instance's memory that models may fill; what is over is for a request's own needs."""
MACHINE_SECONDS = 5.0
LEAST_FREE = 256 * 1024**2
"""Bytes of memory without which nothing more is started: what starts on a machine that has none takes others down with it."""
FULL = (
    "Waiting for capacity: this machine has less than {} MiB of memory free. The instance is started when there is room; end jobs or "
    "endpoints that are not needed."
)


class Containers:
    """See the module docstring. ``told`` is called with the identity of a row that should be looked at now, ``free`` tells
    how many bytes of memory the machine has left."""

    def __init__(
        self,
        runtime: Runtime,
        objects: Objects,
        store: Store,
        told: Callable[[Identity], None],
        way_back: WayBack,
        environments: Environments,
        gpus: Gpus,
        free: Callable[[], int] = free_memory,
    ) -> None:
        self._runtime = runtime
        self._objects = objects
        self._store = store
        self._told = told
        self._way_back = way_back
        self._environments = environments
        self._free = free
        self._gpus = gpus
        self._errands = Errands(told)
        self._cache = ModelCache()
        self._attendants: dict[Path, Attendant] = {}

    async def look(self, unit: Unit) -> Seen:
        """What is there of a unit; starts nothing."""
        container = await asyncio.to_thread(self._runtime.observe, unit.run)
        if container.state == "running":
            attendant = self._attend(unit)
            told = "" if attendant.healthy else await asyncio.to_thread(_preflight, unit, attendant)
            return Seen("ready", "", container, attendant.healthy, attendant.silent, told)
        if _prepared(unit).exists():
            told = await asyncio.to_thread(_preflight, unit, self._attendants.get(unit.run))
            full = container.state == "missing" and await asyncio.to_thread(self._free) < LEAST_FREE
            return Seen("ready", "", container, preflight=told, waits=FULL.format(LEAST_FREE >> 20) if full else "")
        errand = self._errands.look(unit.identity, str(unit.home))
        model: Mapping[str, Literal["absent", "coming", "failed"]] = {"running": "coming", "failed": "failed"}
        return Seen(model.get(errand.state, "absent"), errand.problem, container)

    async def act(self, move: Move, unit: Unit) -> None:
        """Does one move; doing it twice is the same as once. Raises Later."""
        match move:
            case Move.PREPARE:
                self._errands.begin(unit.identity, str(unit.home), partial(self._prepare, unit))
            case Move.FORGET:
                await self._errands.cancel(unit.identity, str(unit.home))
            case Move.START:
                await self._start(unit)
            case Move.ASK:
                await asyncio.to_thread(self._runtime.signal, unit.run, signal.SIGTERM)
            case Move.KILL:
                await asyncio.to_thread(self._runtime.signal, unit.run, signal.SIGKILL)
            case Move.DISCARD:
                await self._discard(unit)
            case Move.REMOVE:
                await self._discard(unit)
                await self._errands.cancel(unit.identity, str(unit.home))
                await asyncio.to_thread(trees.remove, unit.home)

    async def drop(self, kept: Path) -> None:
        """Removes what units keep of a model for one another."""
        await self._cache.drop(kept)

    def address(self, unit: Unit) -> Address:
        """Where a started unit listens. Raises OSError when it was never started."""
        return _read_address(unit)

    async def close(self) -> None:
        """Stops watching; the containers go on."""
        await self._errands.close()
        await self._cache.close()
        for attendant in self._attendants.values():
            await attendant.close()
        self._attendants.clear()

    def _attend(self, unit: Unit) -> Attendant:
        attendant = self._attendants.get(unit.run)
        if attendant is None:
            told = partial(self._told, unit.identity)
            attendant = self._attendants[unit.run] = Attendant(self._store, unit.source, _read_address(unit), told)
        return attendant

    async def _start(self, unit: Unit) -> None:
        address = await asyncio.to_thread(self._arrange, unit)
        world, now = unit.identity[0], int(self._store.clock.now() * 1000)
        await self._store.write(lambda transaction: logs.create_stream(transaction, world, unit.group, unit.stream, now))
        try:
            found = await packages.find(self._environments, unit)
            if found.said:
                await asyncio.to_thread(files.write, unit.said, found.said.encode())
            spec = await pulled.dressed(self._environments.own_images, self._spec(unit, address, found), unit)
            await asyncio.to_thread(self._runtime.start, spec)
        except (OSError, BuildError, ErrandFailed) as problem:
            raise Later(MACHINE_SECONDS, f"the machine refuses to start {unit.key}: {problem}") from problem
        self._attend(unit)

    async def _discard(self, unit: Unit) -> None:
        """Takes down an attempt after its last log lines are kept."""
        attendant = self._attendants.pop(unit.run, None)
        if attendant is not None:
            await attendant.close()
        if unit.run.exists():
            await follow(self._store, unit.source, ended=True)
            await asyncio.to_thread(self._runtime.remove, unit.run)
            await self._store.write(lambda transaction: forget(transaction, unit.source))
        self._gpus.give_back(unit)

    async def _prepare(self, unit: Unit) -> None:
        """Raises ErrandFailed with the words of a FailureReason."""
        began = time.monotonic()
        await pulled.pull(self._environments.own_images, unit, self._isolates)
        unit.ml.mkdir(parents=True, exist_ok=True)
        if holds_many(unit.container):
            unit.models.mkdir(exist_ok=True)
            unit.models.chmod(0o755)  # whatever our umask is: the container's user is another
        access = Access(unit.identity[0].region, unit.role)
        fetch = partial(fetch_model, self._objects, unit.container, access=access, timeout=unit.download_timeout)
        if unit.kept is None:
            await fetch(unit.ml)
        else:
            await self._cache.fill(unit.ml, unit.kept, fetch)
        try:
            await packages.prepare(self._environments, unit)
        except BuildError as problem:
            raise ErrandFailed(str(problem)) from problem
        _prepared(unit).write_text(f"{time.monotonic() - began:.1f}")

    def _arrange(self, unit: Unit) -> Address:
        """The folders, and the address: kept on disk, because whoever adopts the container must know it."""
        (unit.home / "ipc").mkdir(parents=True, exist_ok=True)
        if unit.adapts:
            unit.adapters.mkdir(exist_ok=True)
            unit.adapters.chmod(0o755)  # as above
        file = unit.home / f"address-{unit.attempt}.json"
        if not file.exists():
            written = file.with_suffix(".partial")
            written.write_text(json.dumps(self._address(unit)))
            written.rename(file)
        return _read_address(unit)

    def _address(self, unit: Unit) -> Address:
        if not self._isolates:
            return Address("http", "", _free_port())
        if resolve(unit.container["Image"]).algorithm and not unit.container.get("Environment", {}).get("SAGEMAKER_PROGRAM"):
            return Address("frames", str(unit.home / "ipc" / FRAMES))
        return Address("http", str(unit.run / DIAL_SOCKET), PORT)

    @property
    def _isolates(self) -> bool:
        """Plain processes have neither a network of their own, so each needs a port of its own, nor mounts."""
        return self._runtime.name != "process"

    def _spec(self, unit: Unit, address: Address, found: Place) -> InstanceSpec:
        image = resolve(unit.container["Image"])
        outward = address.protocol == "http" and not unit.isolated
        back = self._way_back.environment(unit.identity[0].account, unit.role, self._isolates) if outward else {}
        return InstanceSpec(
            key=unit.key,
            image=image.zygote(found.python),
            argv=image.serve_command(found.python),
            folder=unit.run,
            ml=unit.ml,
            env={**back, **found.env, **_environment(unit, image, address), **self._gpus.lend(unit)},
            mounts=_mounts(unit, self._isolates),
            limits=unit.limits,
            network="isolated" if self._isolates else "open",
            way_out=self._way_back.address if outward and self._isolates else None,
            hostname="algo-1",
            python=found.python,
            layers=found.layers,
        )


def _mounts(unit: Unit, isolates: bool) -> tuple[Mount, ...]:
    ipc = (Mount(unit.home / "ipc", IPC, writable=True),) if isolates else ()
    models = (Mount(unit.models, MODELS),) if holds_many(unit.container) else ()
    adapters = (Mount(unit.adapters, ADAPTERS),) if unit.adapts and isolates else ()
    return (*ipc, *models, *adapters)


def _environment(unit: Unit, image: Image, address: Address) -> dict[str, str]:
    """What the container finds: the user's variables win, except those that say where it must listen."""
    world = unit.identity[0]
    given = {str(name): str(value) for name, value in unit.container.get("Environment", {}).items()}
    if code_archive(unit.container) is not None:
        given[SUBMIT_DIRECTORY] = CODE
    listens = {"SAGEWRIGHT_FRAMES_SOCKET": f"{IPC}/{FRAMES}"} if address.protocol == "frames" else {}
    port = {"SAGEMAKER_BIND_TO_PORT": str(address.port)} if address.port != PORT else {}
    ours = {
        "AWS_REGION": world.region,
        "AWS_DEFAULT_REGION": world.region,
    }
    if holds_many(unit.container):
        given["SAGEMAKER_MULTI_MODEL"] = "true"
        if unit.limits.memory is not None:
            given.setdefault("SAGEWRIGHT_MODEL_MEMORY", str(int(MODELS_SHARE * unit.limits.memory)))
    return {**ours, **image.env, **unit.env, **given, **listens, **port}


def _preflight(unit: Unit, attendant: Attendant | None) -> str:
    """What is known of a start that has not come to its end."""
    loaded = _prepared(unit).read_text() if _prepared(unit).exists() else ""
    parts = [f"Model data ready after {loaded} s." if loaded else "", str(attendant.transcript) if attendant else ""]
    said = said_last(unit.run / "stdout")
    return " ".join(filter(None, (*parts, f"Last log lines: {said}" if said else "")))


def _prepared(unit: Unit) -> Path:
    return unit.home / "prepared"


def _read_address(unit: Unit) -> Address:
    return Address(*json.loads((unit.home / f"address-{unit.attempt}.json").read_text()))


def _free_port() -> int:
    """Without a network namespace every container needs a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
