"""One accepted request as a row: kept until it is answered, so it is answered whatever dies meanwhile."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.objects.s3 import Location
from sagewright.store.rows import Document, Resource

REQUEST = "asynchronous.Request"
TTL = 21_600
TIMEOUT = 900
"""Seconds a request may wait, and a container may work on it, when nothing is said (API InvokeEndpointAsync)."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the answer goes; ``failure`` only if the endpoint has a S3FailurePath."""

    output: str
    failure: str = ""

    @classmethod
    def of(cls, config: Mapping[str, Any], request: Mapping[str, Any]) -> Places:
        """From an AsyncInferenceConfig and InvokeEndpointAsync's Filename and S3OutputPathExtension.

        That the extension also counts for failures, and where a failure with a file name goes, is not documented: a guess.
        """
        output = config["OutputConfig"]
        name = PurePosixPath(request.get("Filename") or f"{uuid.uuid4()}.out")
        below = [part for part in request.get("S3OutputPathExtension", "").split("/") if part]
        failure = output.get("S3FailurePath")
        return cls(
            _joined(output["S3OutputPath"], *below, name.name),
            _joined(failure, *below, f"{name.stem}-error{name.suffix}") if failure else "",
        )


def row(context: Context, request: Document, config: Mapping[str, Any]) -> Resource:
    """The row of a request that is accepted now; its key sorts it behind those that came before."""
    places = Places.of(config, request)
    name = request["EndpointName"]
    body = request.get("Body")
    spec: Document = {
        "InferenceId": request.get("InferenceId") or str(uuid.uuid4()),
        "InputLocation": request.get("InputLocation", ""),
        "Headers": {member: request[member] for member in ("ContentType", "Accept", "CustomAttributes") if member in request},
        "Output": places.output,
        "Failure": places.failure,
        "Named": "Filename" in request,
        "Timeout": request.get("InvocationTimeoutSeconds", TIMEOUT),
        "Notify": config["OutputConfig"].get("NotificationConfig", {}),
        "KmsKeyId": config["OutputConfig"].get("KmsKeyId", ""),
    }
    if body:
        spec["Body"] = base64.b64encode(body).decode()
    return Resource(
        context.world,
        REQUEST,
        f"{name}/{int(context.now * 1e6):020d}-{uuid.uuid4()}",
        parent=name,
        spec=spec,
        created=context.now,
        modified=context.now,
        due=context.now + request.get("RequestTTLSeconds", TTL),
    )


@dataclass(slots=True)
class Ticket:
    """A request in memory: what the queue must know of it. ``recovered``: it was accepted by an earlier control, and may have been
    answered. ``not_before``: when it may be tried again after something that was not its fault."""

    world: World
    key: str
    expires: float
    recovered: bool = False
    not_before: float = 0.0
    troubles: int = 0

    @property
    def endpoint(self) -> str:
        """The endpoint's name."""
        return self.key.partition("/")[0]

    @property
    def accepted(self) -> float:
        """Epoch seconds; the key holds them."""
        return int(self.key.partition("/")[2].partition("-")[0]) / 1e6


def location(uri: str) -> Location:
    """Raises ValueError; also for a place without a key."""
    found = Location.parse(uri)
    if not found.key:
        raise ValueError(f"no key in {uri!r}")
    return found


def _joined(prefix: str, *parts: str) -> str:
    return "/".join((prefix.rstrip("/"), *parts))
