"""A client of one serving container: what front asks for inference, and control for health and batch transform.

Two protocols (docs/architecture.md): ``frames`` (frame_replica.py) and ``http`` (http_replica.py); replicas.py opens either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from sagewright.compute.http_connection import Answer, Broken, Chunks, StreamedAnswer, Unsent
from sagewright.compute.payload import FilePayload

__all__ = [
    "Address",
    "Answer",
    "Broken",
    "Chunks",
    "ModelHost",
    "Replica",
    "StreamedAnswer",
    "Unsent",
]

HEADER_NAMES = {
    "content_type": "Content-Type",
    "accept": "Accept",
    "custom_attributes": "X-Amzn-SageMaker-Custom-Attributes",
    "inference_id": "X-Amzn-SageMaker-Inference-Id",
    "session_id": "X-Amzn-SageMaker-Session-Id",
    "target_model": "X-Amzn-SageMaker-Target-Model",
    "adapter": "X-Amzn-SageMaker-Adapter-Identifier",
    "adapter_alias": "X-Amzn-SageMaker-Adapter-Alias",
}
"""The headers a container sees, by their name in a frame; SageMaker strips all others."""

MODEL = "model"
"""The key of ``headers`` that names the one of many models that is asked (Developer Guide, mms-container-apis); no header."""

Operation = Literal["load_model", "unload_model", "describe_model", "list_models", "load_adapter", "unload_adapter"]
"""What a container of many models, or of a model with adapters, is asked besides."""


class Address(NamedTuple):
    """Where a replica listens; plain data, as in the route snapshot. Without a ``socket`` the port is one of this machine."""

    protocol: Literal["frames", "http"]
    socket: str
    port: int = 8080


class Replica(Protocol):
    """One serving container. ``headers`` are keys of HEADER_NAMES; an answer's headers are in lower case.

    Every method raises Unsent (nobody was reached: ask another replica), Broken (the connection ended while the container
    worked) or TimeoutError (no whole answer within ``timeout`` seconds).
    """

    @property
    def address(self) -> Address:
        """Where it listens."""

    @property
    def in_flight(self) -> int:
        """Calls that are not answered yet."""

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """POST /invocations."""

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """POST /invocations; ``timeout`` holds for the answer's headers. The chunks must be read to the end or closed.

        A body in a file is sent piece by piece; raises PayloadTooLarge when the protocol cannot carry it.
        """

    async def ping(self, timeout: float) -> bool:
        """Whether the container says that it can serve; False also when it cannot be reached."""

    async def get(self, path: str, timeout: float) -> Answer:
        """GET, for /execution-parameters; a replica that does not speak HTTP answers 404."""

    def close(self) -> None:
        """Ends all connections; calls in flight get Broken."""


class ModelHost(Replica, Protocol):
    """A container of many models; it is asked for one of them by MODEL among the headers."""

    async def manage(self, operation: Operation, model: str, body: bytes, timeout: float) -> Answer:
        """Loads (``body`` says what and from where), unloads, tells of one or lists them (of the page that ``model`` names)."""
