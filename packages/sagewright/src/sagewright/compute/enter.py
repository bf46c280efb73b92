"""Makes a container with the kernel's namespaces, without a helper program: the launcher "namespaces".

The shim forks a process that is the init (pid 1) of the container: it builds the root from steps (root.py), gives up all
privileges, forks the user's process, buries the dead and dials. It holds nothing the user could want, cannot be traced or
killed from inside, and its end ends the container. Standard library only: zygotes run this in a fork.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import stat
from pathlib import Path
from typing import Any, NoReturn

from sagewright.compute import dialler, fuse, launch, lent, limits, links, namespaces, overlay, records, relay, sockets, users
from sagewright.compute.cgroups import Cgroup
from sagewright.compute.uplink import Uplink

_NAMESPACES = namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWCGROUP
_NO_SUID_NO_DEVICES = namespaces.MS_NOSUID | namespaces.MS_NODEV
_BOUND = namespaces.ATTRIBUTE_NOSUID | namespaces.ATTRIBUTE_NODEV
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def start(request: launch.Request, group: Cgroup | None, stdout: int, entry: launch.Entry | None) -> launch.Container:
    """The launcher; see launch.py."""
    isolated = request["network"] == "isolated"
    helper, way_out = relay.spawn(_address(request)) if isolated and request["way_out"] else (None, None)
    uplink = Uplink(Path(request["peers"]["folder"])) if request["peers"] else None
    if uplink is not None:
        uplink.enter(request["peers"]["place"])  # we, too: who is nested deeper may not
    if request["user"] is None:
        own = (os.geteuid(), os.getegid())
        namespaces.unshare(namespaces.CLONE_NEWUSER)
        namespaces.map_user("self", 0, own)
    listener = sockets.listen(Path(request["folder"]) / dialler.DIAL_SOCKET) if isolated else None
    namespaces.unshare(namespaces.CLONE_NEWPID)  # for our next child
    ours, theirs = socket.socketpair()
    init = os.fork()
    if init == 0:
        ours.close()
        _Init(request, theirs, group, listener, way_out).run(stdout, entry)
    for descriptor in (theirs, listener, way_out):
        if descriptor is not None:
            descriptor.close()
    container = launch.Container(init, init, None)
    container.helpers = [] if helper is None else [helper]
    container.channels += [ours, uplink]  # as long as we hold our ends, init knows that we live, and the network is there
    try:
        if group is not None:
            group.add(init)  # while it mounts; it waits for this before the user's process comes to be
        with contextlib.suppress(BrokenPipeError):  # it has failed already, and has said why
            ours.sendall(b"g")
        _follow(ours, init, request)
    except OSError:
        for pid in (init, *container.helpers):
            _end(pid)
        raise
    container.user = next(iter(records.children(init)), None)
    return container


def _address(request: launch.Request) -> tuple[str, int]:
    host, port = request["way_out"]
    return host, port


def _follow(channel: socket.socket, init: int, request: launch.Request) -> None:
    """Does for init what it cannot do itself, until it says that the user's process is there. Raises its OSError."""
    with channel.makefile("r") as messages:
        for line in messages:
            message = json.loads(line)
            if "map" in message:
                users.show(init, request)
                channel.sendall(b"m")
            elif "ready" in message:
                return
            elif "error" in message:
                raise OSError(message["error"], message["text"])
    raise OSError("the container's first process ended while it was being made")


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class _Init:
    """The first process of a container; it is also the dialler of one without a network (``listener``)."""

    def __init__(
        self,
        request: launch.Request,
        channel: socket.socket,
        group: Cgroup | None,
        listener: socket.socket | None,
        way_out: socket.socket | None,
    ) -> None:
        self._request = request
        self._channel = channel
        self._group = group
        self._listener = listener
        self._way_out = way_out

    def run(self, stdout: int, entry: launch.Entry | None) -> NoReturn:
        try:
            namespaces.die_with_parent()
            os.umask(0o022)  # of the folders made to mount on
            self._isolate()
            request = self._request
            build(request["root"], request["scratch"], request["image"], request["user"], request.get("devices"))
            self._wait("g")
            self._become_nobody()
            self._wait_not()
        except OSError as error:
            self._say({"error": error.errno or errno.EIO, "text": error.strerror or str(error)})
            os._exit(1)
        user = os.fork()
        if user == 0:
            if self._request["image"]:
                users.become(self._request["image"], self._request["workdir"])
            namespaces.own_proc()
            launch.become(self._request, stdout, entry)
        if self._request["image"]:
            namespaces.drop_privileges()
        self._say({"ready": True})
        os.closerange(0, 3)
        listener = self._listener
        sockets.close_others(self._channel.fileno(), *([] if listener is None else [listener.fileno()]))
        _bury_and_dial(user, listener)

    def _isolate(self) -> None:
        own_network = self._listener is not None and not self._request["peers"]
        namespaces.unshare(_NAMESPACES | (namespaces.CLONE_NEWNET if own_network else 0))
        socket.sethostname(self._request["hostname"])
        if own_network:
            links.up("lo")
        if self._way_out is not None:
            relay.give(self._way_out, self._request["way_out"][1])
            self._way_out.close()

    def _become_nobody(self) -> None:
        """Root on the host becomes an ordinary user of it, root of a user namespace inside; then nobody keeps a capability.

        Of an image init needs them once more, to make the user's process what the image asks for.
        """
        image = self._request["image"]
        if self._request["user"] is not None:
            self._leave_root(*self._request["user"])
        elif image and image["user"]:
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            namespaces.map_user("self", image["user"], (0, 0), image["group"])
        with contextlib.suppress(FileNotFoundError, PermissionError):
            # No user namespaces inside: in one, all of the kernel that needs privileges would be within the user's reach.
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
        limits.restrain(self._request["limits"], self._group)
        limits.restrain_processes(self._request["limits"], self._group)
        if not image:
            namespaces.drop_privileges()
        namespaces.hide_from_ptrace()
        namespaces.die_with_parent()  # again: the change of user cleared it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _leave_root(self, user: int, group: int) -> None:
        os.setgroups([])
        try:
            namespaces.unshare(namespaces.CLONE_NEWUSER)
        except OSError:  # switched off on this machine: the user shows as what it is
            if self._request["image"]:
                raise
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
            return
        self._say({"map": True})
        self._wait("m")
        inside, group = users.of_init(self._request["image"])
        os.setresgid(group, group, group)
        os.setresuid(inside, inside, inside)

    def _wait(self, word: str) -> None:
        if self._channel.recv(1) != word.encode():
            os._exit(1)  # the shim is gone

    def _wait_not(self) -> None:
        """Ends when the shim ended between two settings of die_with_parent."""
        with contextlib.suppress(BlockingIOError):
            if not self._channel.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK):
                os._exit(1)

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._channel.sendall(f"{json.dumps(message)}\n".encode())


def _bury_and_dial(user: int, listener: socket.socket | None) -> NoReturn:
    """Waits for children, ours and adopted ones, and for who wants a connection; ends with the user's process."""
    told, teller = socket.socketpair()
    teller.setblocking(False)
    signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    poll = select.poll()
    for source in (told, listener):
        if source is not None:
            poll.register(source, select.POLLIN)
    while True:
        _bury(user)
        for descriptor, _ in poll.poll():
            if descriptor == told.fileno():
                told.recv(4096)
            elif listener is not None:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    dialler.answer(client)


def _bury(user: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            os._exit(1)  # the user's process is one of them until it has been waited for
        if pid == 0:
            return
        if pid == user:
            os._exit(launch.exit_code(status))


def build(
    steps: list[list[str]],
    root: str,
    image: dict[str, Any] | None = None,
    owner: tuple[int, int] | None = None,
    devices: socket.socket | None = None,
) -> None:
    """Builds the root that ``steps`` describe in the folder ``root`` and moves into it, in a mount namespace of our own.

    ``image``: it begins with the image's layers (overlay.py) and folders made to mount on are ``owner``'s. ``devices`` is where the
    program that serves file systems gets them (fuse.py).
    """
    namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE)
    if image is not None:
        root = overlay.mount(image, root, owner)
    namespaces.bind(root, root, _BOUND)
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for kind, source, target in steps:
            maker = owner if image is not None else None
            if kind == "fuse" and devices is not None:
                with _placed(top, target, True, maker) as place:
                    fuse.mount(devices, int(source), place)
            else:
                _show(top, kind, source, target, maker)
        for kind, _, target in steps:
            if kind == "mask":
                with _placed(top, target, folder=True) as place:
                    namespaces.restrict(place, namespaces.ATTRIBUTE_RDONLY)
    finally:
        os.close(top)
    namespaces.pivot_root(root)


def _show(top: int, kind: str, source: str, target: str, owner: tuple[int, int] | None) -> None:
    if kind == "link":
        Path(f"/proc/self/fd/{top}{target}").symlink_to(source)  # only ever at the top
        return
    if kind.startswith("lent "):
        descriptor = lent.opened(source)
        try:
            _show(top, kind.removeprefix("lent "), f"/proc/self/fd/{descriptor}", target, owner)
        finally:
            os.close(descriptor)
        return
    folder = kind not in ("read", "write", "device", "file") or Path(source).is_dir()
    with _placed(top, target, folder, owner, replaces=kind == "file") as place:
        if kind in ("read", "file"):
            namespaces.bind(source, place, _BOUND | namespaces.ATTRIBUTE_RDONLY)
        elif kind == "write":
            namespaces.bind(source, place, _BOUND)
        elif kind == "device":
            namespaces.bind(source, place, namespaces.ATTRIBUTE_NOSUID)
        elif kind == "mask":
            namespaces.mount("tmpfs", place, "tmpfs", _NO_SUID_NO_DEVICES, "size=1m,mode=755")
        elif kind == "memory":
            namespaces.mount("tmpfs", place, "tmpfs", _NO_SUID_NO_DEVICES, f"size={source},mode=1777")
        elif kind == "proc":
            namespaces.mount("proc", place, "proc", _NO_SUID_NO_DEVICES | namespaces.MS_NOEXEC)
        elif kind == "dev":
            _show_devices(place)


def _show_devices(place: str) -> None:
    namespaces.mount("tmpfs", place, "tmpfs", namespaces.MS_NOSUID, "size=1m,mode=755")
    dev = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # on top of the new mount
    here = f"/proc/self/fd/{dev}"
    try:
        for name in _DEVICES:
            Path(here, name).touch()
            namespaces.bind(f"/dev/{name}", f"{here}/{name}", namespaces.ATTRIBUTE_NOSUID)
        for name, goal in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            Path(here, name).symlink_to(f"/proc/self/{goal}")
        Path(here, "ptmx").symlink_to("pts/ptmx")
        for name in ("pts", "shm"):
            Path(here, name).mkdir()
        namespaces.mount("devpts", f"{here}/pts", "devpts", namespaces.MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    finally:
        os.close(dev)


class _placed:  # noqa: N801 - reads as a verb in "with"
    """A path for mount(2) at ``target`` below an open folder, created when missing; by name, so that it leads onto a mount.

    No component may be a symbolic link: the tree may hold what a stranger packed, and before pivot_root such a link points
    into the host. ``owner`` gets what is made; ``replaces``: a link in the last place makes room.
    """

    def __init__(
        self, top: int, target: str, folder: bool, owner: tuple[int, int] | None = None, replaces: bool = False
    ) -> None:
        self._parts = [part for part in target.split("/") if part]
        self._descriptor = os.dup(top)
        self._folder = folder
        self._owner = owner
        self._replaces = replaces

    def __enter__(self) -> str:
        *folders, name = self._parts
        for folder in folders:
            below = _step_into(self._descriptor, folder, True, self._owner)
            os.close(self._descriptor)
            self._descriptor = below
        if self._replaces:
            _remove_link(self._descriptor, name)
        os.close(_step_into(self._descriptor, name, self._folder, self._owner))
        return f"/proc/self/fd/{self._descriptor}/{name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _remove_link(parent: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)


def _step_into(parent: int, name: str, folder: bool, owner: tuple[int, int] | None) -> int:
    if name == "..":
        raise OSError(errno.EINVAL, "nothing can be mounted above the container's root")
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        if folder:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent))
        if owner is not None:
            os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
        descriptor = os.open(name, flags, dir_fd=parent)
    if stat.S_ISLNK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, f"{name} is a symbolic link where something is to be mounted")
    return descriptor
