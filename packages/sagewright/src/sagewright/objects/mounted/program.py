"""The process that serves the channels of one container as file systems, for as long as the container's shim lives.

Standard input is a JSON document (start.py): url, region, access_key, secret_key and token of the S3, ``owner`` (whose the files are shown
as), ``user`` ([uid, gid] to become, or None) and ``channels``, each {"prefix": [bucket, key], "beginning"} or {"fixed": file}.
By the socket at descriptor 3 come the devices: for each a message with the number of its channel.
Standard error is the log of the job.
"""

from __future__ import annotations

import asyncio

# These two are loaded when first used, and what we are then may not read them any more.
import concurrent.futures.thread  # noqa: F401
import encodings.idna  # noqa: F401
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from sagewright.base.lifeline import end_with_parent
from sagewright.objects.mounted.names import Listed, Names, read_fixed
from sagewright.objects.mounted.nodes import Nodes
from sagewright.objects.mounted.patient import PatientNames, ranges
from sagewright.objects.mounted.reader import Blocks
from sagewright.objects.mounted.session import Errors, Session
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.signing import Keys

PERIOD = 30.0
"""Seconds between two times that the log says the same."""
DEVICES = 3


def main() -> None:
    """Ends with the shim, or when every file system is unmounted."""
    document: dict[str, Any] = json.load(sys.stdin)
    asyncio.run(_serve(document, os.getppid()))


async def _serve(document: dict[str, Any], parent: int) -> None:
    keys = Keys(document["access_key"], document["secret_key"], document["token"])
    objects = Objects(document["url"], keys, document["region"])
    names = [PatientNames(_names(objects, channel), _tell) for channel in document["channels"]]
    with socket.socket(fileno=DEVICES) as channel:
        devices = [_receive(channel) for _ in names]
    _become(document["user"], parent)
    since, errors, blocks = time.time(), Errors(_tell), Blocks(ranges(objects, _tell))
    sessions = [
        Session(device, names[number], Nodes(tuple(document["owner"]), since), blocks, errors) for number, device in devices
    ]
    for session in sessions:
        session.serve()
    for session in sessions:
        await session.ended.wait()
    await objects.close()


def _names(objects: Objects, channel: dict[str, Any]) -> Names:
    if "fixed" in channel:
        return read_fixed(Path(channel["fixed"]))
    return Listed(objects, Location(*channel["prefix"]), channel["beginning"])


def _become(user: list[int] | None, parent: int) -> None:
    """The containers' user can do less than root; what needs more, like the run folder, has been read."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user[1], user[1], user[1])
        os.setresuid(user[0], user[0], user[0])
    end_with_parent(signal.SIGKILL, parent)


def _receive(devices: socket.socket) -> tuple[int, int]:
    """Raises ConnectionError when the container did not come to be."""
    word, descriptors, _, _ = socket.recv_fds(devices, 2, 1)
    if not descriptors:
        raise ConnectionError("no file system was mounted")
    os.set_blocking(descriptors[0], False)
    return int.from_bytes(word, "little"), descriptors[0]


class _Teller:
    """Says each thing once in a while where the user looks: in the log of the job."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, error: OSError) -> None:
        text, now = str(error), time.monotonic()
        if now - self._last.get(text, -PERIOD) >= PERIOD and len(self._last) < 1000:
            self._last[text] = now
            print(f"[sagewright] Input data cannot be read: {text}", file=sys.stderr, flush=True)


_tell = _Teller()

if __name__ == "__main__":
    main()
