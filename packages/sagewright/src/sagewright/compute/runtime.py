"""What runs a container. Handles are plain data (the key), so a restarted control adopts what runs.

Every method may block for some milliseconds and is called from worker threads. One contract suite
(tests/contract/test_runtime.py) holds for every driver; a driver adds only a fixture.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

SERVER_STOPPED = "ServerStopped"
"""Observed.reason of a container that was ended because the server stopped, through no fault of its own."""


@dataclass(frozen=True, slots=True)
class Mount:
    """``source`` on the host appears at ``target`` (absolute) in the container.

    What is ``writable`` is given to the container's user, unless it is ``lent``: then it stays whose it is, and no step of the
    way there may be a link.
    """

    source: Path
    target: str
    writable: bool = False
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """``cpus`` in cores, ``memory`` and ``disk`` in bytes, ``processes`` as a count; None means no limit of our own.

    ``gpus`` above zero shows the machine's NVIDIA devices to the container.
    """

    cpus: float | None = None
    memory: int | None = None
    disk: int | None = None
    processes: int | None = 1024
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Peers:
    """The containers of a job, which share a network of their own and nothing else.

    ``folder`` is that network's run folder, the same for all of them and nobody else's; it is removed like a container's.
    ``hosts`` are their host names, in an order that is the same for all: each one's place gives it its address.
    """

    folder: Path
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileSystems:
    """Read-only file systems that a program outside of the container serves by FUSE, one at each of ``targets``.

    ``argv`` is started on the host beside the container and ends with it; fuse.py says how it gets ``document`` (which may hold
    a secret) and its devices. It is told ``user`` ([uid, gid] to become, or None) and ``owner`` of what it shows besides.
    """

    argv: tuple[str, ...]
    document: Mapping[str, object]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RootFs:
    """The files of an image of one's own: what a container sees in the place of this machine's.

    ``layers`` are unpacked (compute/oci), the lowest first, all in one folder. ``user``, ``group`` and ``groups`` are the ids
    that its process has inside.
    """

    layers: tuple[Path, ...]
    user: int = 0
    group: int = 0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """One container of a job or an endpoint.

    ``key`` names it for ever (``training-job/<account>/<region>/<name>/algo-1``): start is a no-op when it runs or has run.
    ``folder`` is its run folder on the host (stdout, started.json, exit.json, sockets; hidden from the container), ``ml`` is
    bound at /opt/ml. ``image`` names the environment (compute/images.py) whose zygote may serve it, ``python`` is the
    interpreter of that environment: the server's own, or one in a virtual environment. ``argv`` is the command.
    ``network``: "isolated" has loopback only, "open" the host's network. ``way_out`` (host, port) is the one address that an
    isolated container reaches all the same, at the same port of its own loopback. ``peers`` are whom an isolated container
    reaches by their names, at any port of the interface eth0; ``hostname`` is one of them. ``rootfs`` is None for a container
    that sees this machine's programs. ``layers`` are folders like a virtual environment's (environments/layer.py) whose
    packages come before the environment's, the first one first.
    """

    key: str
    image: str
    argv: tuple[str, ...]
    folder: Path
    ml: Path
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    file_systems: FileSystems | None = None
    limits: Limits = Limits()
    network: Literal["isolated", "open"] = "isolated"
    way_out: tuple[str, int] | None = None
    peers: Peers | None = None
    hostname: str = "algo-1"
    workdir: str = "/"
    python: str = sys.executable
    rootfs: RootFs | None = None
    layers: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a key.

    missing: never started here. running: the shim lives. exited: exit.json is there (``code`` as a shell sees it: 128+signal
    for a signal; ``reason`` is "", "OutOfMemory", "DiskFull", SERVER_STOPPED or a text for the user). lost: it was started, but
    neither a shim nor an exit record is left.
    """

    state: Literal["missing", "running", "exited", "lost"]
    code: int | None = None
    reason: str = ""
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Use of one container: ``cpu`` seconds so far, ``memory`` bytes now, ``disk`` bytes of its folders."""

    cpu: float
    memory: int
    disk: int


class Runtime(Protocol):
    """See the module docstring; ``name`` is zygote, sandbox, process or fake.

    ``caution`` is what a job's log says when containers are less isolated than they should be, else empty.
    ``without_file_systems`` says why FileSystems cannot be shown here, or is empty; asking may take some tenths of a second once.
    """

    name: str
    caution: str

    @property
    def without_file_systems(self) -> str: ...

    def start(self, spec: InstanceSpec) -> None:
        """Starts the container; a no-op when its folder shows that it runs or has run.

        Raises OSError when the machine refuses; EOPNOTSUPP means that it always will.
        """

    def observe(self, folder: Path) -> Observed:
        """Reads started.json and exit.json and asks whether the shim lives; never guesses."""

    def signal(self, folder: Path, number: int) -> None:
        """To the user's process, not the wrapper; SIGKILL ends every process of the container. A no-op when nothing runs."""

    def dial(self, folder: Path, port: int) -> socket.socket:
        """A connected stream socket to ``port`` on the container's loopback.

        Raises OSError (ConnectionRefusedError: nobody listens yet).
        """

    def stats(self, folder: Path) -> Stats:
        """Raises OSError when nothing runs."""

    def remove(self, folder: Path) -> None:
        """Kills what runs and deletes the run folder."""
