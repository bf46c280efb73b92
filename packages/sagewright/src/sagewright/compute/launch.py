"""What the shim's launchers share: the request, the container they hand back, and the last steps before the user's program.

A launcher (enter.py, bubblewrap.py, plain.py) is a function ``launch(request, group, stdout, entry) -> Container``. It raises
OSError when the container cannot be made, and then leaves no process behind. Standard library only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from sagewright.compute import sockets

Request = dict[str, Any]
"""What a driver asks of the shim: "key", "folder", "ml", "scratch" (the container's own root folder), "argv", "env", "workdir",
"hostname", "python" (an interpreter that is there inside), "workbench" (see workbench.py; None for a plain process), "network", "way_out" (see relay.py), "peers" (None,
or {"folder", "place", "hosts"}: see uplink.py; hosts are pairs of address and name), "file_systems" (None, or
{"argv", "document"}: see fuse.py), "limits" (see limits.py), "launcher" ("namespaces",
"bubblewrap" or "process"), "image" (None, or {"folder", "layers", "users", "user", "group", "groups"}: see overlay.py and users.py), "root" (steps, see root.py), "user" ([uid, gid] to become when we are root, else None), "group"
({"base", "name"} of cgroups.py or None), "wake" (path or None), "bubblewrap" (the program) and "bubblewrap_options"."""

Entry = Callable[[list[str]], NoReturn]
"""Runs the argv in this very process: a zygote's way around exec."""

NOT_FOUND = 127


class Container:
    """The processes of a container.

    ``child`` is what the shim waits for, the death of ``init`` ends everything in the container, ``user`` is the user's process
    (None when it ended before it was seen), ``helpers`` are outside. ``channels`` must stay open while the shim lives.
    """

    def __init__(self, child: int, init: int, user: int | None) -> None:
        self.child = child
        self.init = init
        self.user = user
        self.helpers: list[int] = []
        self.channels: list[object] = []

    def kill(self) -> None:
        """Ends every process of the container."""
        for pid in (self.init, self.child):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def conclude(self, code: int) -> tuple[int, str]:
        """The exit code and a reason for the user, from the child's exit code. The child has been waited for."""
        return code, ""


def become(request: Request, stdout: int, entry: Entry | None = None) -> NoReturn:
    """The last steps in the process that becomes the user's: a session of its own, three descriptors, environment, folder."""
    os.setsid()
    os.umask(0o022)
    redirect(stdout)
    sockets.close_others()
    _enter_folder(request["workdir"])
    if entry is not None:
        os.environ.clear()
        os.environ.update(request["env"])
        entry(request["argv"])
    execute(request["argv"], request["env"])


def redirect(stdout: int) -> None:
    """Standard input from nowhere, standard output and error to ``stdout``."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(stdout, 1)
    os.dup2(stdout, 2)


def execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Replaces this process; exits with 127 as a shell does when there is no such program."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        fail(f"{argv[0]}: {error.strerror}")


def fail(text: str) -> NoReturn:
    """Says on standard error why the user's program never ran."""
    os.write(2, f"{text}\n".encode())
    os._exit(NOT_FOUND)


def exit_code(status: int) -> int:
    """What a shell would show for a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _enter_folder(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
    except OSError as error:
        fail(f"working directory {folder}: {error.strerror}")
