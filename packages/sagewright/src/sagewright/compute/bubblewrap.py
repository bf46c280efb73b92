"""Makes a container with bubblewrap: the launcher "bubblewrap".

bubblewrap runs as the job's user, never as root: when we are root, what that user may not reach (a private data folder, an
interpreter in a private home) is first shown in a place it can reach, in a mount namespace of ours. Its own environment and
command line say nothing about the job: they would be run, or seen, outside. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import NoReturn

from sagewright.compute import dialler, fuse, launch, lent, limits, namespaces, records, relay
from sagewright.compute.cgroups import Cgroup
from sagewright.compute.uplink import Uplink

_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_PRIVILEGES = ("--uid", "0", "--gid", "0", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv")
_STAGES = ("/mnt", "/media", "/srv", "/home", "/opt")  # covered by the stage, in our own mount namespace only
_LENT = {"lent read": "read", "lent write": "write"}
_NO_PROGRAM = "bwrap: execvp"
_BOUND = """
import os, resource, sys
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    print(f"{sys.argv[2]}: {error.strerror}", file=sys.stderr)
    sys.exit(127)
"""
_PATIENCE = 30.0  # seconds for bubblewrap to make its namespaces and mounts


class _Status:
    """What bubblewrap reports: a line when the container's init is there, another with the exit code of what it could run."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""

    def first_line(self) -> bytes:
        """Waits for it; empty when bubblewrap ended without one."""
        while b"\n" not in self._text and (more := os.read(self._descriptor, 4096)):
            self._text += more
        return self._text.partition(b"\n")[0]

    def ran(self) -> bool:
        """Whether the program ran. For when bubblewrap has ended."""
        while more := os.read(self._descriptor, 4096):
            self._text += more
        return b'"exit-code"' in self._text


class _Wrapped(launch.Container):
    def __init__(self, child: int, init: int, user: int | None, status: _Status, stdout: int) -> None:
        super().__init__(child, init, user)
        self._status = status
        self._stdout = stdout

    def conclude(self, code: int) -> tuple[int, str]:
        """A program that could not be run ends as it does in a shell."""
        if code > 128 or self._status.ran():
            return code, ""
        complaint = _complaint(self._stdout)
        return launch.NOT_FOUND, "" if complaint.startswith(_NO_PROGRAM) else complaint


def start(request: launch.Request, group: Cgroup | None, stdout: int, entry: launch.Entry | None) -> launch.Container:
    """The launcher; see launch.py. It cannot run an ``entry``."""
    reading, writing = os.pipe()
    go, go_out = os.pipe()
    uplink = Uplink(Path(request["peers"]["folder"])) if request["peers"] else None
    network, helpers = _network(request) if request["network"] == "isolated" else (None, [])
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _Child(request, stdout, group, writing, go, uplink).run(parent)
    os.close(writing)
    os.close(go)
    status = _Status(reading)
    try:
        if group is not None:
            group.add(child)
        os.write(go_out, b"g")
        os.close(go_out)
        init = _await_init(status, stdout)
        user = _await_user(child, init)
        if user is None and not status.ran() and not _complaint(stdout).startswith(_NO_PROGRAM):
            raise OSError(5, f"the container could not be made: {_complaint(stdout)}")
    except OSError:
        _end(child, *helpers)
        raise
    if network is not None:
        dialler.send_pid(network, init)
    container = _Wrapped(child, init, user, status, stdout)
    container.helpers = helpers
    container.channels += [network, uplink]
    return container


def _network(request: launch.Request) -> tuple[socket.socket, list[int]]:
    """The processes around a container's network: where to tell them who it is, and who they are."""
    helpers: list[int] = []
    way_out: tuple[socket.socket, int] | None = None
    if request["way_out"]:
        host, port = request["way_out"]
        helper, channel = relay.spawn((host, port))
        helpers.append(helper)
        way_out = channel, port
    pid, network = dialler.spawn(Path(request["folder"]) / dialler.DIAL_SOCKET, way_out)
    if way_out is not None:
        way_out[0].close()
    return network, [*helpers, pid]


def _await_init(status: _Status, stdout: int) -> int:
    first = status.first_line()
    if not first:
        raise OSError(5, _complaint(stdout) or "bubblewrap ended before it made a container")
    return int(json.loads(first)["child-pid"])


def _await_user(child: int, init: int) -> int | None:
    """The user's process is the only child of bubblewrap's init, once everything is mounted; None when it has ended already."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := records.children(init)):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return None
        if time.monotonic() > deadline:
            raise TimeoutError(110, "bubblewrap did not start the program in time")
        time.sleep(0.0005)
    return found[0]


def _complaint(stdout: int) -> str:
    """bubblewrap's last words, among what the program itself may have written."""
    size = os.fstat(stdout).st_size
    tail = os.pread(stdout, 4096, max(0, size - 4096)).decode(errors="replace").splitlines()
    return next((line for line in reversed(tail) if line.startswith("bwrap: ")), "")


def _end(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class _Child:
    """The fork that becomes bubblewrap."""

    def __init__(
        self, request: launch.Request, stdout: int, group: Cgroup | None, status: int, go: int, uplink: Uplink | None
    ) -> None:
        self._request = request
        self._stdout = stdout
        self._group = group
        self._status = status
        self._go = go
        self._uplink = uplink

    def run(self, parent: int) -> NoReturn:
        launch.redirect(self._stdout)
        try:
            namespaces.die_with_parent(parent)
            if os.read(self._go, 1) != b"g":
                os._exit(1)
            if self._uplink is not None:  # bubblewrap is not asked for a network then: it finds this one
                self._uplink.enter(self._request["peers"]["place"])
            steps, scratch = self._request["root"], self._request["scratch"]
            if self._request["user"] is not None or any(kind == "fuse" or kind in _LENT for kind, _, _ in steps):
                steps, scratch = self._stage(steps, scratch)
            if self._request["user"] is not None:
                _become(*self._request["user"])
                namespaces.die_with_parent(parent)
            limits.restrain(self._request["limits"], self._group)
            self._execute(steps, scratch)
        except OSError as error:
            launch.fail(f"bwrap: {error.strerror or error}")

    def _stage(self, steps: list[list[str]], scratch: str) -> tuple[list[list[str]], str]:
        """Moves us into a mount namespace with a stage for all that is to be shown; the steps, and the scratch, from there."""
        if self._request["user"] is None and self._uplink is None:  # an ordinary user may mount in a user namespace of its own
            own = (os.geteuid(), os.getegid())
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            namespaces.map_user("self", 0, own)
        sources = {source: False for kind, source, _ in steps if kind in ("read", "write", "device")}
        sources.update({source: True for kind, source, _ in steps if kind in _LENT})
        stage, shown = _stage({scratch: False, **sources})
        found = []
        for kind, source, target in steps:
            if kind == "fuse":
                found.append(["read", _mount(self._request["devices"], int(source), stage), target])
            else:
                found.append([_LENT.get(kind, kind), shown.get(source, source), target])
        return found, shown[scratch]

    def _execute(self, steps: list[list[str]], scratch: str) -> NoReturn:
        arguments = os.memfd_create("arguments", 0)
        os.write(arguments, b"\0".join(os.fsencode(word) for word in self._arguments(steps, scratch)) + b"\0")
        os.lseek(arguments, 0, os.SEEK_SET)
        os.set_inheritable(self._status, True)
        command = [self._request["bubblewrap"], "--args", str(arguments), "--", *self._command()]
        launch.execute(command, {"PATH": os.defpath, "LANG": "C.UTF-8"})

    def _command(self) -> list[str]:
        """The program; where no control group bounds its processes, behind one that does so in its user namespace."""
        processes = self._request["limits"].get("processes")
        if not processes or (self._group is not None and self._group.holds("pids")):
            return list(self._request["argv"])
        return [self._request["python"], "-I", "-S", "-c", _BOUND, str(processes), *self._request["argv"]]

    def _arguments(self, steps: list[list[str]], scratch: str) -> list[str]:
        request = self._request
        words = [*_NAMESPACES, *_PRIVILEGES, *request["bubblewrap_options"], "--hostname", request["hostname"]]
        if request["network"] == "isolated" and not request["peers"]:
            words.append("--unshare-net")
        words += ["--bind", scratch, "/"]
        for kind, source, target in steps:
            words += _words(kind, source, target)
        for kind, _, target in steps:
            if kind == "mask":
                words += ["--remount-ro", target]
        if request["workdir"] != "/":
            words += ["--dir", request["workdir"]]
        words += ["--chdir", request["workdir"]]
        for name, value in request["env"].items():
            words += ["--setenv", name, value]
        return [*words, "--json-status-fd", str(self._status)]


def _words(kind: str, source: str, target: str) -> list[str]:
    if kind == "memory":
        return ["--perms", "1777", "--size", source, "--tmpfs", target]
    if kind == "link":
        return ["--symlink", source, target]
    option = {"read": "--ro-bind", "write": "--bind", "device": "--dev-bind"}.get(kind)
    if option:
        return [option, source, target]
    return [{"mask": "--tmpfs", "proc": "--proc", "dev": "--dev"}[kind], target]


def _become(user: int, group: int) -> None:
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def _mount(devices: socket.socket, number: int, stage: str) -> str:
    """Where on the stage a file system (fuse.py) is, to be bound from there like any folder."""
    place = Path(stage, f"fuse{number}")
    place.mkdir()
    fuse.mount(devices, number, str(place))
    return str(place)


def _stage(sources: dict[str, bool]) -> tuple[str, dict[str, str]]:
    """Shows each source at a path that every user can reach, in a mount namespace of ours; the stage, and that path by source.

    ``sources`` tells of each whether it is lent (lent.py).
    """
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE)
    stage = next((folder for folder in _STAGES if Path(folder).is_dir()), None)
    if stage is None:
        raise OSError(2, f"none of {', '.join(_STAGES)} exists to mount on")
    # Opened before the stage covers what may lie below it.
    opened = {
        source: lent.opened(source) if is_lent else os.open(source, os.O_PATH | os.O_CLOEXEC)
        for source, is_lent in sources.items()
    }
    namespaces.mount("tmpfs", stage, "tmpfs", namespaces.MS_NOSUID, "size=1m,mode=755")
    shown = {}
    for number, (source, descriptor) in enumerate(opened.items()):
        place = Path(stage, str(number))
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            place.mkdir()
        else:
            place.touch()
        namespaces.bind(f"/proc/self/fd/{descriptor}", str(place))
        os.close(descriptor)
        shown[source] = str(place)
    return stage, shown
