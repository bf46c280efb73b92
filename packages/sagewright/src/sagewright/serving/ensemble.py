"""One replica made of several containers: each is a unit of its own in a folder below the replica's, with its own attempt, log and
socket. The replica is what all of them are: healthy when all are healthy, ended when one of them has ended unasked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagewright.base import files
from sagewright.compute import trees
from sagewright.compute.pipeline import Pipeline
from sagewright.compute.replica import Replica
from sagewright.compute.replicas import open_replica
from sagewright.compute.runtime import SERVER_STOPPED, Observed
from sagewright.serving.containers import PORT, Containers
from sagewright.serving.definition import holds_many
from sagewright.serving.step import Move
from sagewright.serving.unit import MISSING, Seen, Unit
from sagewright.store.rows import Document

SAFE_PORTS = "8081-8180"
"""Ports besides its own that a container may listen on (Developer Guide, inference-pipeline-real-time)."""


class Replicas:
    """What the controllers know of replicas: the same face as ``Containers``, for one container or for several.

    Which containers a replica has is on its disk: whoever looks after a restart of control has nothing but its folder.
    """

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    async def look(self, unit: Unit) -> Seen:
        """What is there of a replica; starts nothing."""
        members = _members(unit)
        if not members:
            return await self._containers.look(unit)
        seen = await asyncio.gather(*(self._containers.look(member) for member in members.values()))
        return folded(dict(zip(members, seen, strict=True)), _asked(unit).exists())

    async def act(self, move: Move, unit: Unit) -> None:
        """Does one move; doing it twice is the same as once. Raises Later."""
        if move is Move.PREPARE and "Containers" in unit.container:
            await asyncio.to_thread(_remember, unit)
        members = _members(unit)
        if not members:
            await self._containers.act(move, unit)
            return
        if move is Move.ASK:
            await asyncio.to_thread(_asked(unit).touch)
        for member in members.values():
            await self._containers.act(move, member)
        if move is Move.REMOVE:
            await asyncio.to_thread(trees.remove, unit.home)

    async def drop(self, kept: Path) -> None:
        """Removes what replicas keep of a model for one another (``Unit.kept``)."""
        await self._containers.drop(kept)

    def route(self, unit: Unit) -> Document:
        """The replica as the route snapshot has it. Raises OSError when it was never started."""
        members = _members(unit)
        if not members:
            address = self._containers.address(unit)._asdict()
            return {**address, "models": str(unit.models)} if unit.models.exists() else address
        listed = [{"name": name, **self._containers.address(member)._asdict()} for name, member in members.items()]
        return {**self._containers.address(next(iter(members.values())))._asdict(), "members": listed}

    def open(self, unit: Unit) -> Replica:
        """A client of a started replica. Raises OSError when it was never started."""
        members = _members(unit)
        if not members:
            return open_replica(self._containers.address(unit))
        opened = {name: open_replica(self._containers.address(member)) for name, member in members.items()}
        return Pipeline(opened)


def run_folders(unit: Unit) -> list[Path]:
    """Of all containers of a replica."""
    return [member.run for member in _members(unit).values()] or [unit.run]


def route_members(container: Mapping[str, Any]) -> Document:
    """What the route snapshot says of a variant's containers besides its replicas; nothing for one container of one model."""
    if holds_many(container):
        caches = container.get("MultiModelConfig", {}).get("ModelCacheSetting", "Enabled") != "Disabled"
        return {"multi_model": {"url": container.get("ModelDataUrl", ""), "caches": caches}}
    listed = container.get("Containers")
    if not listed:
        return {}
    return {"containers": {"mode": container["Mode"], "names": [each["ContainerHostname"] for each in listed]}}


def folded(seen: Mapping[str, Seen], asked: bool) -> Seen:
    """Many looks as one. ``asked``: the containers were asked to end, so that one which has ended waits for the others."""
    running = [each for each in seen.values() if each.container.state == "running"]
    ended = [(name, each) for name, each in seen.items() if each.container.state in ("exited", "lost")]
    if ended and not (asked and running):
        return Seen("ready", container=_named(*ended[0], len(seen)))
    if asked and running:
        return Seen("ready", container=running[0].container)
    if len(running) == len(seen):
        latest = max((each.container for each in running), key=lambda container: container.started or 0.0)
        return Seen("ready", "", latest, all(each.healthy for each in running), max(each.silent for each in running))
    return _model(seen)


def _model(seen: Mapping[str, Seen]) -> Seen:
    """Not all have been started: what keeps them."""
    for name, each in seen.items():
        if each.model == "failed":
            return Seen("failed", each.problem.replace('container "container_1"', f'container "{name}"'))
    for state in ("absent", "coming"):
        if any(each.model == state for each in seen.values()):
            return Seen(state)
    return Seen("ready", "", MISSING, waits=next((each.waits for each in seen.values() if each.waits), ""))


def _named(name: str, each: Seen, count: int) -> Observed:
    container = each.container
    if container.reason == SERVER_STOPPED or count == 1:
        return container
    return replace(container, reason=f"{name}: {container.reason or f'exit code {container.code}'}")


def _members(unit: Unit) -> dict[str, Unit]:
    """The units of a replica of several containers, in their order; empty for a replica of one."""
    containers: Sequence[Mapping[str, Any]] = unit.container.get("Containers", ())
    if containers:
        return {each["ContainerHostname"]: _member(unit, each["ContainerHostname"], each) for each in containers}
    try:
        names: list[str] = json.loads(_names(unit).read_bytes())
    except FileNotFoundError:
        return {}
    return {name: _member(unit, name, {}) for name in names}


def _member(unit: Unit, name: str, container: Mapping[str, Any]) -> Unit:
    return replace(
        unit,
        home=unit.home / "containers" / name,
        key=f"{unit.key}/{name}",
        stream=f"{unit.stream}/{name}",
        container=container,
        kept=unit.kept and unit.kept / name,
        env={"SAGEMAKER_BIND_TO_PORT": str(PORT), "SAGEMAKER_SAFE_PORT_RANGE": SAFE_PORTS, **unit.env},
    )


def _remember(unit: Unit) -> None:
    unit.home.mkdir(parents=True, exist_ok=True)
    names = [each["ContainerHostname"] for each in unit.container["Containers"]]
    files.write(_names(unit), json.dumps(names).encode())


def _names(unit: Unit) -> Path:
    return unit.home / "containers.json"


def _asked(unit: Unit) -> Path:
    return unit.home / f"asked-{unit.attempt}"
