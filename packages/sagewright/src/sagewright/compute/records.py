"""What is written down about a container in its run folder, and who the processes in it are.

Standard library only: the shim writes these records, the drivers read them. A record appears whole, by rename. A process is
named by its id and its start time within one boot, so that an id used again by another process is never mistaken for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

STARTED = "started.json"
EXIT = "exit.json"
STDOUT = "stdout"


class Identity(NamedTuple):
    """A process: its id and its start time in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    start: int


def identify(pid: int) -> Identity:
    """Raises ProcessLookupError when there is no such process, or only its corpse."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"no process {pid}") from None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold anything, even ")"
    if fields[0] in "ZX":
        raise ProcessLookupError(f"process {pid} has ended")
    return Identity(pid, int(fields[19]))


def alive(identity: Identity) -> bool:
    """Whether this very process still runs."""
    try:
        return identify(identity.pid) == identity
    except ProcessLookupError:
        return False


def send(identity: Identity, number: int) -> bool:
    """Sends a signal to this very process; False when it has ended."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if identify(identity.pid) != identity:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def children(pid: int) -> list[int]:
    """The processes that ``pid`` is the parent of (those its main thread started); empty when it has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid: int) -> list[int]:
    """``pid`` and everything below it, parents first."""
    found = [pid]
    for parent in found:
        found.extend(children(parent))
    return found


def boot_id() -> str:
    """Names this run of the machine: process ids mean nothing in the next."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def claim(folder: Path) -> int | None:
    """A descriptor that holds the run folder for this process until it ends; None when the container was started before."""
    descriptor = lock(folder)
    if descriptor is not None and ((folder / STARTED).exists() or (folder / EXIT).exists()):
        os.close(descriptor)
        return None
    return descriptor


def lock(folder: Path) -> int | None:
    """A descriptor that holds the folder for this process until it ends; None while another one does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write(folder: Path, name: str, document: dict[str, Any]) -> None:
    """Writes a record so that a reader sees all of it or nothing."""
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_text(json.dumps(document))
    draft.replace(folder / name)


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """A record, or None when it is not there; empty when the machine went down before the disk had it."""
    try:
        document = json.loads((folder / name).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
