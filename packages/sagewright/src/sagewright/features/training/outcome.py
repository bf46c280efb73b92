"""How a training job ended, from its container's exit: status and FailureReason in AWS's wording."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from sagewright.features.training.sight import Sight

SPOKEN = ("AlgorithmError:", "ClientError:", "InternalServerError:")

LOST = (
    "InternalServerError: We encountered an internal error. The training container is gone and left no exit record; "
    "its machine may have been restarted. Please try again."
)


def completed() -> dict[str, str]:
    """The container ended with 0."""
    return {"Status": "Completed", "Secondary": "Completed"}


def failed(reason: str) -> dict[str, str]:
    """``reason`` is the FailureReason."""
    return {"Status": "Failed", "Secondary": "Failed", "FailureReason": reason}


def stopped(why: str) -> dict[str, str]:
    """``why`` is the secondary status: Stopped or MaxRuntimeExceeded."""
    return {"Status": "Stopped", "Secondary": why}


def of(sight: Sight, stop: Mapping[str, object] | None) -> dict[str, str]:
    """The outcome of a container that runs no more. One that was told to stop has stopped, whatever its exit code."""
    if stop:
        return stopped(str(stop["Why"]))
    if sight.instance.state == "lost":
        return failed(LOST)
    if sight.instance.code == 0 and not sight.instance.reason:
        return completed()
    return failed(_reason(sight))


def _reason(sight: Sight) -> str:
    """DG your-algorithms-training-algo-output: the first 1 024 characters of /opt/ml/output/failure."""
    text = sight.failure.strip()
    if text.startswith(SPOKEN):
        return text
    if text:
        return f"AlgorithmError: {text}, exit code: {sight.instance.code}" if len(text) < 900 else f"AlgorithmError: {text}"
    tail = f" Last log lines: {sight.last_lines}" if sight.last_lines else ""
    return f"AlgorithmError: {_exit(sight)}, exit code: {sight.instance.code}.{tail}"


def _exit(sight: Sight) -> str:
    code = sight.instance.code or 0
    match sight.instance.reason:
        case "OutOfMemory":
            return "The training container ran out of memory; please use an instance type with more memory"
        case "DiskFull":
            return "The training container ran out of disk space; please use a larger VolumeSizeInGB"
        case "" if code > 128 and code - 128 in set(signal.Signals):
            return f"The training container was ended by signal {signal.Signals(code - 128).name}"
        case "":
            return "The training container failed"
        case text:
            return text
