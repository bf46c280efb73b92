"""Which GPUs the containers of a job were given, on disk: a restarted control must not give them to another.

A file beside the marks of each run folder, written before the container starts and once only.
"""

from __future__ import annotations

import json
from pathlib import Path

from sagewright.base.files import write
from sagewright.compute.slots import Devices
from sagewright.jobs.folder import JobFolder
from sagewright.store.rows import Resource

_MARK = "gpus.json"


def write_down(jobs: Path, resource: Resource, devices: Devices) -> None:
    """For every instance that has none written down yet; nothing for a job without any."""
    if not any(devices):
        return
    for folder, own in zip(JobFolder.all(jobs, resource), devices, strict=True):
        file = folder.mark(_MARK)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, json.dumps(own).encode())


def given(folder: JobFolder) -> tuple[str, ...]:
    """Of one instance; nothing where nothing was written down."""
    try:
        return tuple(json.loads(folder.mark(_MARK).read_bytes()))
    except FileNotFoundError:
        return ()


def all_given(jobs: Path, resource: Resource) -> Devices:
    """Of all instances of a job."""
    return tuple(given(folder) for folder in JobFolder.all(jobs, resource))
