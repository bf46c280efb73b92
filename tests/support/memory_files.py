"""A program that serves file systems from memory: one for each of its arguments, with the file ``name`` that holds the argument.

The file ``slow`` never answers, ``broken`` cannot be read.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys

from sagewright.objects.mounted.names import Fixed
from sagewright.objects.mounted.nodes import Nodes
from sagewright.objects.mounted.program import DEVICES
from sagewright.objects.mounted.reader import Blocks
from sagewright.objects.mounted.session import Errors, Session
from sagewright.objects.s3 import Location, Stored


async def fetch(stored: Stored, start: int, memory: memoryview) -> None:
    if stored.location.key == "slow":
        await asyncio.Event().wait()
    if stored.location.key == "broken":
        raise OSError(errno.ESTALE, "this object has changed")
    memory[:] = stored.location.bucket.encode()[start : start + len(memory)]


async def serve(texts: list[str], owner: tuple[int, int]) -> None:
    sessions = []
    with socket.socket(fileno=DEVICES) as channel:
        for _ in texts:
            word, (device,), _, _ = socket.recv_fds(channel, 2, 1)
            os.set_blocking(device, False)
            text = texts[int.from_bytes(word, "little")]
            items = [(f"in/{key}", Stored(Location(text, key), len(text), 1e9)) for key in ("name", "slow", "broken")]
            sessions.append(Session(device, Fixed(items), Nodes(owner, 1e9), Blocks(fetch), Errors(tell)))
            sessions[-1].serve()
    for session in sessions:
        await session.ended.wait()


def tell(error: OSError) -> None:
    print(f"told: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    document = json.load(sys.stdin)
    asyncio.run(serve(document["texts"], tuple(document["owner"])))
