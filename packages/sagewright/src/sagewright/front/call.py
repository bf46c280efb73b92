"""One invocation on its way, and which of its headers and of its answer's are passed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sagewright.compute.replica import Address, Replica
from sagewright.front.routes import NOWHERE, Endpoint, Variant
from sagewright.front.sessions import CLOSED, HEADER, OPENED

HEADERS: tuple[tuple[str, str], ...] = (
    ("content-type", "content_type"),
    ("accept", "accept"),
    ("x-amzn-sagemaker-custom-attributes", "custom_attributes"),
    ("x-amzn-sagemaker-inference-id", "inference_id"),
    (HEADER, "session_id"),
)
"""Of InvokeEndpoint that a container gets, and what they are called on the way."""
STREAM_HEADERS = tuple(("x-amzn-sagemaker-accept" if header == "accept" else header, name) for header, name in HEADERS)
"""Of InvokeEndpointWithResponseStream."""
_SESSION_REPLIES = ((OPENED, "X-Amzn-SageMaker-New-Session-Id"), (CLOSED, "X-Amzn-SageMaker-Closed-Session-Id"))


class Caller(Protocol):
    """Whose endpoints are meant: account and region as the signature proves them."""

    @property
    def account(self) -> str: ...

    @property
    def region(self) -> str: ...


class Call:
    """One invocation on its way."""

    __slots__ = (
        "body",
        "caller",
        "component",
        "endpoint",
        "headers",
        "key",
        "name",
        "place",
        "replicas",
        "session",
        "started",
        "variant",
    )

    def __init__(
        self,
        caller: Caller,
        name: str,
        key: str,
        variant: Variant,
        headers: dict[str, str],
        body: bytes,
        started: float,
        endpoint: Endpoint,
        component: str | None = None,
    ) -> None:
        self.caller = caller
        self.name = name
        self.key = key
        self.variant = variant
        self.headers = headers
        self.body = body
        self.started = started
        self.endpoint = endpoint
        self.session: Address | None = None
        self.component = component
        self.place = NOWHERE
        """Whose answer it is, where that is counted."""
        self.replicas: Sequence[Replica] = ()
        """Whom to ask, where that is not any replica of the variant."""


def reply_headers(call: Call, answered: dict[str, str], content_type: str) -> list[tuple[str, str]]:
    """What the caller gets of those that the container ``answered``; ``content_type`` is the header that holds it."""
    headers = [
        (content_type, answered.get("content-type", "application/octet-stream")),
        ("x-Amzn-Invoked-Production-Variant", call.variant.name),
    ]
    attributes = answered.get("x-amzn-sagemaker-custom-attributes")
    if attributes is not None:
        headers.append(("X-Amzn-SageMaker-Custom-Attributes", attributes))
    if call.session is not None:
        headers += [(shown, answered[name]) for name, shown in _SESSION_REPLIES if name in answered]
    return headers
