"""Endpoints whose replicas have several containers: which of them a request is for (Developer Guide, multi-container-direct)."""

from __future__ import annotations

from sagewright.compute.pipeline import TARGET
from sagewright.front.routes import Containers
from sagewright.wire.errors import Fault

HEADER = "x-amzn-sagemaker-target-container-hostname"


def aim(endpoint: str, containers: Containers | None, target: str | None, headers: dict[str, str]) -> None:
    """Puts the container that is to answer into the headers of a call. Raises Fault.

    The guide names the three refusals, but not their words.
    """
    if containers is None or not containers.direct:
        if target is not None:
            raise _invalid(
                f"Endpoint {endpoint} is not configured for direct invocation and does not support target container hostname header."
            )
    elif target is None:
        raise _invalid(
            f"Target container hostname header is required for endpoint {endpoint}, which is configured for direct invocation."
        )
    elif target not in containers.names:
        raise _invalid(f"Target container hostname {target} does not exist in endpoint {endpoint}.")
    else:
        headers[TARGET] = target


def _invalid(message: str) -> Fault:
    return Fault("ValidationError", message)
