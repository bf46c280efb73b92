"""What all drivers with a shim share: the shim's records tell everything, so a restarted server adopts what runs."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sagewright.compute import cgroups, limits, plain, records, scratch, trees, workbench
from sagewright.compute.cgroups import Cgroup
from sagewright.compute.dial import dial
from sagewright.compute.host import Host, image_users
from sagewright.compute.records import Identity
from sagewright.compute.runtime import FileSystems, InstanceSpec, Observed, Peers, RootFs, Stats
from sagewright.compute.uplink import Uplink
from sagewright.compute.users import USERS

WAKE_SOCKET = "wake.sock"
_SOURCE = str(Path(__file__).parents[2])
_PROGRAM = f"import sys; sys.path.insert(0, {_SOURCE!r}); from sagewright.compute.{{}} import main; main()"
_LAST_WORDS = 20.0  # seconds for a killed container's shim to write its record and go
_SWITCH_PATIENCE = 20.0  # seconds for a switch that is ending to make room for the next

# Of the block for tests between networks (RFC 2544): no name server or neighbour of this machine will have one of these.
_PEERS = ipaddress.ip_network("198.18.0.0/16")


class Supervised:
    """Everything but ``_launch``; a driver says how its shim comes to be."""

    name = ""
    caution = ""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def without_file_systems(self) -> str:
        """See runtime.Runtime."""
        return _fuse_problem()

    def start(self, spec: InstanceSpec) -> None:
        """See runtime.Runtime."""
        if self.observe(spec.folder).state != "missing":
            return
        spec.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        check(spec)
        with self._network(spec.peers):
            self._launch(spec)

    def observe(self, folder: Path) -> Observed:
        """See runtime.Runtime."""
        started = records.read(folder, records.STARTED)
        running = started is not None and _lives(started)
        # Read after asking for the shim: it may have ended, and left its record, in between.
        ended = records.read(folder, records.EXIT)
        if ended:
            return Observed("exited", ended["code"], ended["reason"], ended["started"], ended["ended"])
        if started is None:
            return Observed("missing")
        return Observed("running" if running else "lost", started=started.get("started"))

    def signal(self, folder: Path, number: int) -> None:
        """See runtime.Runtime."""
        started = _running(folder)
        if started is None:
            return
        if number == signal.SIGKILL:
            _send(started, "init", number)
        _send(started, "user", number)

    def dial(self, folder: Path, port: int) -> socket.socket:
        """See runtime.Runtime."""
        started = _running(folder)
        if started is None:
            raise ConnectionRefusedError(111, "nothing runs there", str(folder))
        if started["network"] == "isolated":
            return dial(folder, port)
        return socket.create_connection(("127.0.0.1", port), 10)

    def stats(self, folder: Path) -> Stats:
        """See runtime.Runtime."""
        started = _running(folder)
        if started is None or started["init"] is None:
            raise ProcessLookupError(3, "nothing runs there", str(folder))
        group = Cgroup(started["groups"])
        init, user = started["init"][0], started["user"][0] if started["user"] else None
        memory = group.memory() if group.holds("memory") else limits.memory_use(init, user)
        return Stats(limits.cpu_use(init), memory, trees.disk_use(folder))

    def remove(self, folder: Path) -> None:
        """See runtime.Runtime."""
        started = records.read(folder, records.STARTED)
        if started and started["boot"] == records.boot_id():
            _end(folder, started)
        trees.remove(folder)

    def _launch(self, spec: InstanceSpec) -> None:
        raise NotImplementedError

    def _network(self, peers: Peers | None) -> contextlib.AbstractContextManager[object]:
        """Keeps the network of a container's peers from going while it is started."""
        return contextlib.nullcontext() if peers is None else contextlib.closing(_uplink(peers))

    def _request(self, spec: InstanceSpec, launcher: str, **more: Any) -> dict[str, Any]:
        """The shim's request for this container (launch.Request)."""
        user = _user_on_host(spec.rootfs, self._host)
        if user is not None:
            for tree in (spec.ml, *(mount.source for mount in spec.mounts if mount.writable and not mount.lent)):
                trees.give(tree, *user)
        base = _group_base()
        return {
            "key": spec.key,
            "folder": str(spec.folder),
            "ml": str(spec.ml),
            "scratch": str(spec.folder / scratch.FOLDER),
            "argv": list(spec.argv),
            "workdir": spec.workdir,
            "hostname": spec.hostname,
            "python": sys.executable,
            "workbench": _workbench(spec) if launcher != "process" and spec.rootfs is None else None,
            "network": spec.network,
            "way_out": None if spec.way_out is None else list(spec.way_out),
            "file_systems": None if spec.file_systems is None else _request_file_systems(spec.file_systems),
            "peers": None if spec.peers is None else _request_peers(spec.peers, spec.hostname),
            "limits": {name: getattr(spec.limits, name) for name in ("cpus", "memory", "disk", "processes")},
            "launcher": launcher,
            "image": None if spec.rootfs is None else _request_image(spec.rootfs),
            "user": None if user is None else list(user),
            "group": None if base is None else {"base": base, "name": group_name(spec.folder)},
            "wake": str(self._host.run / WAKE_SOCKET),
            **more,
        }


def check(spec: InstanceSpec) -> None:
    """Raises OSError for what no container can be made of.

    A NUL would end an argument and begin the next one of ours; ``..`` in a target would lead out of the container's root.
    """
    hosts = () if spec.peers is None else spec.peers.hosts
    targets = [*(mount.target for mount in spec.mounts), *(() if spec.file_systems is None else spec.file_systems.targets)]
    words = [
        *spec.argv,
        *hosts,
        *spec.env,
        *spec.env.values(),
        spec.hostname,
        spec.workdir,
        *targets,
    ]
    for word in words:
        if "\0" in word or not _encodes(word):
            raise OSError(errno.EINVAL, "neither command nor environment may hold a NUL or half a surrogate pair")
    if not spec.argv or not all(name and "=" not in name for name in spec.env):
        raise OSError(errno.EINVAL, "a container needs a command, and names in its environment without '='")
    for target in targets:
        if not target.startswith("/") or os.path.normpath(target) != target or target == "/":
            raise OSError(errno.EINVAL, "a mount's target must be a plain absolute path", target)
    if spec.peers is not None and (spec.network != "isolated" or spec.hostname not in hosts or len(set(hosts)) < len(hosts)):
        raise OSError(errno.EINVAL, "a container with peers is one of them, in a network of their own")
    if spec.rootfs is not None:
        _check_rootfs(spec.rootfs)
    if not spec.ml.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to show as /opt/ml", str(spec.ml))


def _check_rootfs(rootfs: RootFs) -> None:
    folders = {layer.parent for layer in rootfs.layers}
    if len(folders) != 1 or any(not layer.name.isalnum() for layer in rootfs.layers):
        raise OSError(errno.EINVAL, "the layers of an image lie in one folder, under names of letters and digits")
    if not all(0 <= number < USERS for number in (rootfs.user, rootfs.group, *rootfs.groups)):
        raise OSError(errno.EINVAL, f"the users and groups of an image are numbers below {USERS}")


def run_shim(request: dict[str, Any]) -> None:
    """Starts a shim as a program and waits for its answer. Raises the OSError that it met."""
    _run_program("shim", request)


def _run_program(module: str, request: dict[str, Any]) -> None:
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM.format(module)]
    spoken = json.dumps(request).encode()
    done = subprocess.run(command, input=spoken, capture_output=True, env={"LANG": "C.UTF-8"}, cwd="/", check=False)
    check_answer(done.stdout, done.stderr.decode(errors="replace"))


def _uplink(peers: Peers) -> Uplink:
    """A connection to the switch of this network, which is started when there is none. Raises OSError."""
    peers.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    addresses = [address for address, _ in _addresses(peers)]
    deadline = time.monotonic() + _SWITCH_PATIENCE
    while True:
        try:
            return Uplink(peers.folder)
        except (FileNotFoundError, ConnectionError):
            if time.monotonic() > deadline:
                raise
        _run_program("switch", {"folder": str(peers.folder), "addresses": addresses, "mask": str(_PEERS.netmask)})


def _request_peers(peers: Peers, hostname: str) -> dict[str, Any]:
    """What a container is told of its network (launch.Request)."""
    return {"folder": str(peers.folder), "place": peers.hosts.index(hostname), "hosts": _addresses(peers)}


def _request_file_systems(found: FileSystems) -> dict[str, Any]:
    """What the shim is told of the program that serves file systems (launch.Request)."""
    return {"argv": list(found.argv), "document": dict(found.document)}


def _request_image(rootfs: RootFs) -> dict[str, Any]:
    """What a container is told of the image it runs (launch.Request)."""
    return {
        "folder": str(rootfs.layers[0].parent),
        "layers": [layer.name for layer in rootfs.layers],
        "users": image_users(),
        "user": rootfs.user,
        "group": rootfs.group,
        "groups": list(rootfs.groups),
    }


def _user_on_host(rootfs: RootFs | None, host: Host) -> tuple[int, int] | None:
    """Whom the files that a container may write to belong to; None when we cannot give any away."""
    users = image_users()
    if rootfs is None or users is None or host.user is None:
        return host.user
    return users + rootfs.user, users + rootfs.group


def _addresses(peers: Peers) -> list[tuple[str, str]]:
    """The address and name of each host."""
    return [(str(_PEERS[place + 1]), name) for place, name in enumerate(peers.hosts)]


def check_answer(answer: bytes, complaint: str = "") -> None:
    """Raises OSError when a shim's answer is not that the container was started."""
    if not answer.endswith(b"\n"):
        raise OSError(5, f"the supervisor of the container died: {complaint.strip()[-500:]}")
    document = json.loads(answer)
    if not document.get("ok"):
        raise OSError(document["errno"] or 5, document["text"])


def _workbench(spec: InstanceSpec) -> dict[str, Any]:
    return workbench.describe(spec.python, tuple(map(str, spec.layers)))


def group_name(folder: Path) -> str:
    """The name of a container's control group."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:24]


@functools.cache
def _group_base() -> dict[str, str] | None:
    return cgroups.find_base()


@functools.cache
def _fuse_problem() -> str:
    """Why no file system can be mounted, or empty."""
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM.format("fuse")]
    done = subprocess.run(command, capture_output=True, text=True, env={"LANG": "C.UTF-8"}, cwd="/", check=False)
    return done.stdout if done.returncode == 0 else done.stderr.strip()[-200:] or "it could not be tried"


def _encodes(word: str) -> bool:
    try:
        return bool(os.fsencode(word)) or not word
    except UnicodeEncodeError:
        return False


def find_bubblewrap() -> str | None:
    """The bubblewrap program, or None."""
    return shutil.which("bwrap")


def _lives(started: dict[str, Any]) -> bool:
    return bool(started and started["boot"] == records.boot_id() and records.alive(Identity(*started["shim"])))


def _running(folder: Path) -> dict[str, Any] | None:
    """The record of a container that runs, with its processes in it: the shim adds them within milliseconds."""
    deadline = time.monotonic() + 10
    while True:
        started = records.read(folder, records.STARTED)
        if started is None or (folder / records.EXIT).exists() or not _lives(started):
            return None
        if "init" in started or time.monotonic() > deadline:
            return started
        time.sleep(0.005)


def _send(started: dict[str, Any], who: str, number: int) -> None:
    if started.get(who):
        records.send(Identity(*started[who]), number)


def _end(folder: Path, started: dict[str, Any]) -> None:
    """Kills what is left of a container, shim or no shim."""
    shim = Identity(*started["shim"])
    _send(started, "init", signal.SIGKILL)
    _send(started, "user", signal.SIGKILL)
    deadline = time.monotonic() + _LAST_WORDS
    while records.alive(shim) and time.monotonic() < deadline:
        if "init" not in started:  # it is still being made
            started = records.read(folder, records.STARTED) or started
            _send(started, "init", signal.SIGKILL)
        time.sleep(0.005)
    records.send(shim, signal.SIGKILL)
    if started["launcher"] == "process" and started.get("user"):
        for pid in plain.session(started["user"][0]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    group = Cgroup(started.get("groups", {}))
    for pid in group.processes() if group.folders else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    group.remove()
