"""Which instance of a job failed first, and what it says about it.

When one instance fails, its peers mostly fail, too, milliseconds later: their connections break. The job's FailureReason is that
of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sagewright.base import folders
from sagewright.compute.runtime import Observed as Instance
from sagewright.jobs.folder import JobFolder
from sagewright.jobs.sight import Failure

FAILURE_BYTES = 4 * 1024
"""Enough for the 1 024 characters of the failure file that count."""
TAIL_BYTES = 600


def first_failure(instances: Sequence[Instance], found: Sequence[JobFolder], file: str) -> Failure | None:
    """None as long as every instance runs or has ended well.

    ``found`` are their folders, ``file`` below /opt/ml is where a container says why it fails.
    """
    failed = [(instance, folder) for instance, folder in zip(instances, found, strict=True) if _has_failed(instance)]
    if not failed:
        return None
    instance, folder = min(failed, key=lambda pair: _when(pair[0], pair[1], file))
    text = folders.read_start(folder.ml, file, FAILURE_BYTES)
    return Failure(instance, text, _last_lines(folder.stdout), folder.run.name if len(instances) > 1 else "")


def _has_failed(instance: Instance) -> bool:
    return instance.state == "lost" or (instance.state == "exited" and (instance.code != 0 or bool(instance.reason)))


def _when(instance: Instance, folder: JobFolder, file: str) -> float:
    """A failure file is written before connections break; what is lost has no time and breaks its peers, so it comes first."""
    if instance.state == "lost":
        return 0.0
    return min(folders.modified(folder.ml, file), instance.ended or float("inf"))


def _last_lines(stdout: Path) -> str:
    """The end of the log, from the start of a line, on one line."""
    try:
        with stdout.open("rb") as content:
            content.seek(0, 2)
            size = content.tell()
            content.seek(max(0, size - TAIL_BYTES))
            text = content.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()]
    return " | ".join(lines[1:] if size > TAIL_BYTES and len(lines) > 1 else lines)
