"""Shows a container file systems that a process outside of it serves: who that is, how it starts, how they are mounted.

The program is started by the shim before any namespace is made and dies with it. Whoever builds the container's root opens
/dev/fuse in the user namespace that owns its mounts (the kernel asks for that), mounts, and hands the device over: the mount
is in nobody else's view and goes with the container, the connection with the program. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from sagewright.compute import launch, namespaces, sockets

DEVICE = "/dev/fuse"
CHANNEL = 3
"""The descriptor by which the program gets its devices: each with a message that has the number of the file system."""
_MAX_READ = 1 << 20
_READ_AHEAD_KIB = 1024
_FLAGS = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_RDONLY


def spawn(request: launch.Request, log: int) -> tuple[int, socket.socket] | None:
    """Starts the program of a request that has one; its process id and the socket for ``mount``. ``log`` is its standard error.

    It finds its document on standard input: as a file in memory, for it holds a secret.
    """
    program = request["file_systems"]
    if program is None:
        return None
    document = json.dumps({**program["document"], "user": request["user"], "owner": request["user"] or [0, 0]}).encode()
    parent = os.getpid()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _run(program["argv"], document, theirs, log, parent)
    theirs.close()
    return pid, ours


def _run(argv: list[str], document: bytes, channel: socket.socket, log: int, parent: int) -> NoReturn:
    """A fork of the shim must not go on as the shim, whatever happens."""
    try:
        namespaces.die_with_parent(parent)
        memory = os.memfd_create("document", 0)
        os.write(memory, document)
        os.lseek(memory, 0, os.SEEK_SET)
        kept = os.dup(channel.fileno())
        for source, target in ((memory, 0), (log, 2), (kept, CHANNEL)):
            os.dup2(source, target)
        os.dup2(2, 1)
        sockets.close_others(CHANNEL)
        launch.execute(argv, {"PATH": os.defpath, "LANG": "C.UTF-8"})
    finally:
        os._exit(1)


def mount(channel: socket.socket, number: int, target: str) -> None:
    """Mounts file system ``number`` of the program at ``target``, in our mount namespace. Raises OSError."""
    device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={_MAX_READ}"
        namespaces.mount("sagewright", target, "fuse", _FLAGS, options)
        _read_further_ahead(target)
        socket.send_fds(channel, [number.to_bytes(2, "little")], [device])
    finally:
        os.close(device)


def _read_further_ahead(target: str) -> None:
    """Larger requests of the kernel cost less each; only root may ask for them."""
    descriptor = os.open(target, os.O_PATH | os.O_CLOEXEC)
    try:
        device = namespaces.device_of(descriptor)
    finally:
        os.close(descriptor)
    try:
        Path(f"/sys/class/bdi/{device}/read_ahead_kb").write_text(str(_READ_AHEAD_KIB))
    except OSError:
        return


def problem() -> str:
    """Why a file system cannot be mounted here, or empty; tries it in namespaces of a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, _try().encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(pid, 0)
    return text


def _try() -> str:
    try:
        if os.geteuid():
            own = (os.geteuid(), os.getegid())
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            namespaces.map_user("self", 0, own)
        namespaces.unshare(namespaces.CLONE_NEWNS)
        namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            mount(ours, 0, tempfile.gettempdir())
    except OSError as error:
        return f"{DEVICE}: {error.strerror}" if error.filename == DEVICE else error.strerror or str(error)
    return ""


def main() -> None:
    """As a program: prints ``problem``."""
    sys.stdout.write(problem())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
