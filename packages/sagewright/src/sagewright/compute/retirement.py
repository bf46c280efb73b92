"""Ends containers from outside the server: those that serve nobody once it has stopped, or all of a data folder.

Run folders are found by their place below the jobs folder, never by looking into what a container writes: a record forged
there would name any process of this machine.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from sagewright.compute import records
from sagewright.compute.host import Host
from sagewright.compute.runtime import SERVER_STOPPED
from sagewright.compute.supervised import Supervised

_PAUSE = 0.01
_LAST_WORDS = 20.0
_USERS = ("ml", "ipc", "models", "adapters", ".cache")
_MEMBERS = "containers"  # below it are names that users give


def run_folders(jobs: Path, kinds: Iterable[str] = ("*",)) -> Iterator[Path]:
    """Every run folder below ``jobs/<kind>/<account>/<region>/<name>`` in which a container was started."""
    for kind in kinds:
        for job in sorted(jobs.glob(f"{kind}/*/*/*")):
            yield from _started(job)


def retire(jobs: Path, kinds: Iterable[str], grace: float) -> int:
    """Ends what runs for these kinds: SIGTERM to all, SIGKILL after ``grace`` seconds. Returns how many there were.

    Their exit records get the reason SERVER_STOPPED, so that the next server starts them anew instead of blaming them.
    """
    runtime = Supervised(Host(jobs, ()))
    running = [folder for folder in run_folders(jobs, kinds) if _is_supervised(folder)]
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _LAST_WORDS)):
        left = [folder for folder in running if _is_supervised(folder)]
        for folder in left:
            runtime.signal(folder, number)
        _await_end(left, patience)
    for folder in running:
        _excuse(folder)
    return len(running)


def remove_all(jobs: Path) -> None:
    """Ends every container of the jobs folder and deletes its run folder."""
    runtime = Supervised(Host(jobs, ()))
    for folder in run_folders(jobs):
        runtime.remove(folder)


def _started(job: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(job):
        if records.STARTED in files:
            folders.clear()
            yield Path(folder)
        else:
            hidden = () if Path(folder).name == _MEMBERS else _USERS
            folders[:] = sorted(name for name in folders if name not in hidden)


def _await_end(folders: list[Path], patience: float) -> None:
    deadline = time.monotonic() + patience
    while any(map(_is_supervised, folders)) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _is_supervised(folder: Path) -> bool:
    """Whether the container's shim lives: it cleans up for some milliseconds after it has written the exit record."""
    started = records.read(folder, records.STARTED)
    if not started or started.get("boot") != records.boot_id():
        return False
    return records.alive(records.Identity(*started["shim"]))


def _excuse(folder: Path) -> None:
    ended = records.read(folder, records.EXIT)
    if ended:
        records.write(folder, records.EXIT, {**ended, "reason": SERVER_STOPPED})
