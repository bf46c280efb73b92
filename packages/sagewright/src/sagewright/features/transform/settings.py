"""How a transform job sends its payloads: the request decides, then the container, then SageMaker's defaults (API CreateTransformJob)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MIB = 1024 * 1024
DEFAULT_PAYLOAD_MB = 6
LARGEST_PAYLOAD_MB = 100
"""API: MaxPayloadInMB at most; also what goes at once when it is 0 (chunked on AWS)."""
DEFAULT_TIMEOUT = 600
DEFAULT_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Sending:
    """``limit`` is a payload's largest size in bytes, ``concurrency`` how many are under way per container, ``timeout`` in seconds.

    ``chunked``: MaxPayloadInMB is 0, an object is one request, sent in chunks. ``piece``: the size in bytes that payloads of
    many lines should have (0: as many as fit).
    """

    limit: int
    many: bool
    concurrency: int
    timeout: float
    retries: int
    chunked: bool = False
    piece: int = 0

    @classmethod
    def of(cls, request: Mapping[str, Any], container: Mapping[str, Any], default_concurrency: int) -> Sending:
        """``container`` is what GET /execution-parameters answered (see parameters)."""
        client = request.get("ModelClientConfig", {})
        payload = request.get("MaxPayloadInMB", container.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB))
        strategy = request.get("BatchStrategy") or _STRATEGIES.get(container.get("BatchStrategy", ""), "MultiRecord")
        concurrency = request.get("MaxConcurrentTransforms") or container.get("MaxConcurrentTransforms") or default_concurrency
        return cls(
            (payload or LARGEST_PAYLOAD_MB) * MIB,
            strategy == "MultiRecord",
            max(1, min(concurrency, LARGEST_PAYLOAD_MB // max(payload, 1))),
            float(client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT)),
            client.get("InvocationsMaxRetries", DEFAULT_RETRIES),
            payload == 0,
        )


_STRATEGIES = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}


def parameters(status: int, body: bytes) -> dict[str, Any]:
    """What the container says of itself; nothing when it has no opinion or says nonsense (DG your-algorithms-batch-code)."""
    if status != 200:
        return {}
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    numbers = {name: said[name] for name in ("MaxConcurrentTransforms", "MaxPayloadInMB") if _is_count(said.get(name))}
    strategy = {"BatchStrategy": said["BatchStrategy"]} if said.get("BatchStrategy") in _STRATEGIES else {}
    return {**numbers, **strategy}


def environment(request: Mapping[str, Any], job_name: str) -> dict[str, str]:
    """What a container finds in its environment (DG your-algorithms-batch-code); the job's own variables come on top."""
    strategy = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}[request.get("BatchStrategy", "MultiRecord")]
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)),
        "SAGEMAKER_BATCH_STRATEGY": strategy,
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms", 0) or 1),
        "SAGEMAKER_TRANSFORM_JOB_NAME": job_name,
        **{name: str(value) for name, value in request.get("Environment", {}).items()},
    }


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_PAYLOAD_MB
