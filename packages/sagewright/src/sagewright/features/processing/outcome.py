"""How a processing job ended, from its containers' exits and their message: status, FailureReason and ExitMessage."""

from __future__ import annotations

import signal

from sagewright.features.processing.message import ExitMessage
from sagewright.jobs.progress import SPOKEN, Progress
from sagewright.jobs.sight import Failure

PROGRESS = Progress("Processing", SPOKEN)

LOST = (
    "InternalServerError: We encountered an internal error. The processing container is gone and left no exit record; "
    "its machine may have been restarted. Please try again."
)
UNREADABLE = "ClientError: The exit message in /opt/ml/output/message is not UTF-8 encoded."
MEMORY = "Please use an instance type with more memory, or reduce the size of job data processed on an instance."
DISK = "Please use a larger VolumeSizeInGB, or reduce the size of job data processed on an instance."
LOGS = "See job logs for more information"


def of(failure: Failure | None, stop: bool, message: ExitMessage) -> dict[str, str]:
    """The outcome of containers that run no more. What was told to stop has stopped, whatever the exit codes."""
    said = {"ExitMessage": message.text}
    if stop:
        return {**PROGRESS.stopped(), **said}
    if failure is not None:
        return {**PROGRESS.failed(LOST if failure.instance.state == "lost" else _reason(failure)), **said}
    if not message.readable:
        return PROGRESS.failed(UNREADABLE)
    return {**PROGRESS.completed(), **said}


def _reason(failure: Failure) -> str:
    """DG byoc-run-image: the exit code decides. What follows AWS's sentence is ours."""
    code = failure.instance.code or 0
    container = f"The processing container{f' on {failure.host}' if failure.host else ''}"
    match failure.instance.reason:
        case "OutOfMemory":
            return f"ClientError: {MEMORY} {container} ran out of memory."
        case "DiskFull":
            return f"ClientError: {DISK} {container} ran out of disk space."
        case "" if code > 128 and code - 128 in set(signal.Signals):
            how = f"was ended by signal {signal.Signals(code - 128).name}"
        case "":
            how = "failed"
        case text:
            how = f"failed: {text}"
    tail = f" Last log lines: {failure.last_lines}" if failure.last_lines else ""
    return f"AlgorithmError: {LOGS}. {container} {how}, exit code: {code}.{tail}"
