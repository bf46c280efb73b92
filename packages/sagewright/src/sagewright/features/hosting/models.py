"""Brings a model to a replica of a multi-model endpoint when a front asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.features.hosting.publish import Publisher
from sagewright.objects.s3 import Location
from sagewright.serving.containers import MODELS
from sagewright.serving.model_store import MODEL, ModelStore, Unfetchable


class Models:
    """A front names endpoint, variant, replica and model; what it may not choose comes from what is published.

    ``mounts``: containers see the models at the path AWS has, else (plain processes) at a path of this machine.
    """

    def __init__(self, publisher: Publisher, store: ModelStore, mounts: bool) -> None:
        self._publisher = publisher
        self._store = store
        self._mounts = mounts

    async def bring(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The header of the answer: ``{"status": 200, "url", "seconds"}``, or 400 or 404 with ``message``."""
        variant = self._publisher.variant(asked["endpoint"], asked["variant"])
        fleets = [fleet for fleet in (variant, (variant or {}).get("green")) if fleet]
        variant = next((fleet for fleet in fleets if _has(fleet, asked["folder"])), None)
        if variant is None:
            return {"status": 404, "message": "The replica has gone."}
        folder = Path(asked["folder"])
        try:
            seconds = await self._store.bring(folder, asked["model"], _source(variant["multi_model"]["url"], asked["target"]))
        except Unfetchable as problem:
            return {"status": 400, "message": str(problem)}
        home = MODELS if self._mounts else str(folder)
        return {"status": 200, "url": f"{home}/{asked['model']}/{MODEL}", "seconds": seconds}

    async def close(self) -> None:
        """Ends what is on its way."""
        await self._store.close()


def _has(fleet: Mapping[str, Any], folder: str) -> bool:
    return "multi_model" in fleet and any(replica.get("models") == folder for replica in fleet["replicas"])


def _source(prefix: str, target: str) -> Location:
    try:
        return Location.parse(f"{prefix}{target}" if prefix.endswith("/") else f"{prefix}/{target}")
    except ValueError as problem:
        raise Unfetchable(f"{prefix} is not an S3 location.") from problem
