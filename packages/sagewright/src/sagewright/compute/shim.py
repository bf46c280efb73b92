"""The supervisor of one container, in a session of its own: it outlives the server and writes down how the container ended.

Started by a driver as a program (request on standard input, answer on standard output), or forked by a zygote. In order: claim
the run folder (a second shim stops here: no container starts twice), write started.json, make the container, answer, watch its
limits, write exit.json by rename, send the folder's path to the wake socket, clean up. Standard library only.

The answer is one line: {"ok": true}, or {"errno", "text"} when the machine refused; then nothing was started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from sagewright.compute import bubblewrap, enter, fuse, launch, limits, namespaces, plain, records, scratch, sockets, trees
from sagewright.compute.cgroups import Cgroup
from sagewright.compute.dialler import DIAL_SOCKET

_LAUNCHERS = {"namespaces": enter.start, "bubblewrap": bubblewrap.start, "process": plain.start}


def main() -> None:
    """As a program: reads the request, leaves the driver's process tree, supervises."""
    request = json.load(sys.stdin)
    if os.fork():
        os._exit(0)  # the driver waits for this process only
    os.setsid()
    answer = os.dup(1)
    _detach(Path(request["folder"]))
    supervise(request, answer)


def supervise(request: launch.Request, answer: int, entry: launch.Entry | None = None) -> NoReturn:
    """Runs one container from beginning to end. ``answer`` is the descriptor to answer on; it is closed after that."""
    os.umask(0o077)
    namespaces.leave_keyring()
    folder = Path(request["folder"])
    lock = records.claim(folder)
    if lock is None:
        _answer(answer, {"ok": True})
        os._exit(0)
    stdout = _open_stdout(folder, request["user"])
    record: dict[str, Any] = {
        "boot": records.boot_id(),
        "shim": records.identify(os.getpid()),
        "launcher": request["launcher"],
        "network": request["network"],
        "started": time.time(),
    }
    records.write(folder, records.STARTED, record)
    group = None
    try:
        scratch.prepare(request)
        group = _group(request)
        container = _launch(request, group, stdout, entry)
    except OSError as error:
        if group is not None:
            group.remove()
        (folder / records.STARTED).unlink()
        _answer(answer, {"errno": error.errno, "text": error.strerror or str(error)})
        os._exit(1)
    record.update(_who(container), groups={} if group is None else {key: str(path) for key, path in group.folders.items()})
    records.write(folder, records.STARTED, record)
    _answer(answer, {"ok": True})
    outcome = _watch(request, container, group)
    _clean_up(folder, container, group)
    records.write(folder, records.EXIT, {**outcome, "started": record["started"], "ended": time.time()})
    _wake(request["wake"], folder)
    trees.remove(Path(request["scratch"]))
    os._exit(0)


def _launch(request: launch.Request, group: Cgroup | None, stdout: int, entry: launch.Entry | None) -> launch.Container:
    """Makes the container, and before it the program that serves its file systems: that one stays outside of all namespaces.

    Raises OSError, and leaves no process then.
    """
    program = fuse.spawn(request, stdout)
    if program is None:
        return _LAUNCHERS[request["launcher"]](request, group, stdout, entry)
    pid, request["devices"] = program[0], program[1]
    try:
        container = _LAUNCHERS[request["launcher"]](request, group, stdout, entry)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        program[1].close()
    container.helpers.append(pid)
    return container


def _detach(folder: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(folder / "shim.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(source, target)


def _open_stdout(folder: Path, user: list[int] | None) -> int:
    descriptor = os.open(folder / records.STDOUT, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if user is not None:
        os.fchown(descriptor, *user)  # a program may open /dev/stdout, which asks for permission again
    return descriptor


def _group(request: launch.Request) -> Cgroup | None:
    if request["group"] is None:
        return None
    bounds = dict(request["limits"])
    if request["launcher"] == "namespaces" and not request["image"]:
        bounds["processes"] = None  # counted in the container's user namespace, at no cost
    return Cgroup.create(request["group"]["base"], request["group"]["name"], bounds)


def _who(container: launch.Container) -> dict[str, Any]:
    found: dict[str, Any] = {"init": None, "user": None}
    for name, pid in (("init", container.init), ("user", container.user)):
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                found[name] = records.identify(pid)
    if container.user is not None:
        limits.prefer_for_oom(container.user)
    return found


def _answer(descriptor: int, document: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the driver died meanwhile; its successor finds started.json
        os.write(descriptor, f"{json.dumps(document)}\n".encode())
    os.close(descriptor)


def _watch(request: launch.Request, container: launch.Container, group: Cgroup | None) -> dict[str, Any]:
    """Waits for the end of the container, or brings it about; returns {"code", "reason"}."""
    folders = [Path(request["folder"]), Path(request["ml"])]
    watch = limits.Watch(request["limits"], folders, (container.init, container.user), group)
    reason = _wait(container, watch)
    _, status = os.waitpid(container.child, 0)
    code, complaint = container.conclude(launch.exit_code(status))
    if not reason and code and group is not None and group.ran_out_of_memory():
        reason = limits.OUT_OF_MEMORY
    if not reason and code and watch.disk_is_full():
        reason = limits.DISK_FULL
    return {"code": code, "reason": reason or complaint}


def _wait(container: launch.Container, watch: limits.Watch) -> str:
    descriptor = os.pidfd_open(container.child)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    reason = ""
    while True:
        pause = None if reason else watch.pause()
        if poll.poll(None if pause is None else pause * 1000):
            os.close(descriptor)
            return reason
        reason = watch.look()
        if reason:
            container.kill()


def _clean_up(folder: Path, container: launch.Container, group: Cgroup | None) -> None:
    for helper in container.helpers:
        os.kill(helper, signal.SIGKILL)
        os.waitpid(helper, 0)
    (folder / DIAL_SOCKET).unlink(missing_ok=True)
    if group is not None:
        for pid in group.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            group.remove()
        except OSError as error:  # a process that the kernel cannot end yet; that is no reason to lose the exit record
            print(f"control group stays: {error}", file=sys.stderr, flush=True)


def _wake(path: str | None, folder: Path) -> None:
    if path is not None:
        with contextlib.suppress(OSError):  # a hint; nobody may be listening
            sockets.send_datagram(Path(path), str(folder).encode())


if __name__ == "__main__":
    main()
