"""How a training job ended, from its containers' exits: status and FailureReason in AWS's wording."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from sagewright.features.training.sight import Failure

SPOKEN = ("AlgorithmError:", "ClientError:", "InternalServerError:")

LOST = (
    "InternalServerError: We encountered an internal error. The training container is gone and left no exit record; "
    "its machine may have been restarted. Please try again."
)


def completed() -> dict[str, str]:
    """Every container ended with 0."""
    return {"Status": "Completed", "Secondary": "Completed"}


def failed(reason: str) -> dict[str, str]:
    """``reason`` is the FailureReason."""
    return {"Status": "Failed", "Secondary": "Failed", "FailureReason": reason}


def stopped(why: str) -> dict[str, str]:
    """``why`` is the secondary status: Stopped or MaxRuntimeExceeded."""
    return {"Status": "Stopped", "Secondary": why}


def of(failure: Failure | None, stop: Mapping[str, object] | None) -> dict[str, str]:
    """The outcome of containers that run no more. What was told to stop has stopped, whatever the exit codes."""
    if stop:
        return stopped(str(stop["Why"]))
    if failure is None:
        return completed()
    return failed(LOST if failure.instance.state == "lost" else _reason(failure))


def is_ours(failure: Failure | None, result: Mapping[str, str]) -> bool:
    """Whether the job failed although nothing is wrong with it: its container is gone without a trace."""
    return result["Status"] == "Failed" and failure is not None and failure.instance.state == "lost"


def _reason(failure: Failure) -> str:
    """DG your-algorithms-training-algo-output: the first 1 024 characters of /opt/ml/output/failure."""
    text, code = failure.text.strip(), failure.instance.code
    if text.startswith(SPOKEN):
        return text
    if text:
        return f"AlgorithmError: {text}, exit code: {code}" if len(text) < 900 else f"AlgorithmError: {text}"
    tail = f" Last log lines: {failure.last_lines}" if failure.last_lines else ""
    return f"AlgorithmError: {_exit(failure)}, exit code: {code}.{tail}"


def _exit(failure: Failure) -> str:
    code = failure.instance.code or 0
    container = f"The training container{f' on {failure.host}' if failure.host else ''}"
    match failure.instance.reason:
        case "OutOfMemory":
            return f"{container} ran out of memory; please use an instance type with more memory"
        case "DiskFull":
            return f"{container} ran out of disk space; please use a larger VolumeSizeInGB"
        case "" if code > 128 and code - 128 in set(signal.Signals):
            return f"{container} was ended by signal {signal.Signals(code - 128).name}"
        case "":
            return f"{container} failed"
        case text:
            return text
