"""Linux namespaces, mounts and capabilities, called through libc.

Standard library only and no dataclasses: the shim, the zygotes and the moat import this in a bare interpreter, and every
millisecond of import is paid by every container. Each function raises OSError with the errno of the system call.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000

ATTRIBUTE_RDONLY = 0x1
ATTRIBUTE_NOSUID = 0x2
ATTRIBUTE_NODEV = 0x4

_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture (unified since Linux 5.1)
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_NS_GET_USERNS = 0xB701
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Moves this process (for CLONE_NEWPID: its next children) into new namespaces."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def enter(descriptor: int, kind: int) -> None:
    """Joins the namespace of a descriptor; ``kind`` is its CLONE_NEW… flag."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def enter_network(pid: int) -> None:
    """Joins the network namespace of ``pid``; an ordinary user first joins the user namespace that owns it."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.geteuid() != 0:
            owner = _check(_libc.ioctl(ctypes.c_int(network), ctypes.c_ulong(_NS_GET_USERNS)), "NS_GET_USERNS")
            try:
                enter(owner, CLONE_NEWUSER)
            finally:
                os.close(owner)
        enter(network, CLONE_NEWNET)
    finally:
        os.close(network)


def map_user(pid: int | str, inside: int, outside: tuple[int, int], group: int | None = None) -> None:
    """Maps the one user ``inside`` of the namespace of ``pid`` (or "self") to the host's ``outside`` (uid, gid).

    Its group inside has the same number, or is ``group``.
    """
    Path(f"/proc/{pid}/setgroups").write_text("deny")
    Path(f"/proc/{pid}/uid_map").write_text(f"{inside} {outside[0]} 1")
    Path(f"/proc/{pid}/gid_map").write_text(f"{inside if group is None else group} {outside[1]} 1")


def map_users(pid: int, first: int, count: int) -> None:
    """Maps the users and groups 0 to ``count`` of the namespace of ``pid`` to the host's from ``first`` on. For root only."""
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text(f"0 {first} {count}")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = (_path(source), _path(target), _path(kind), ctypes.c_ulong(flags), _path(options or None))
    _check(_libc.mount(*arguments), f"mount {source} on {target}")


def bind(source: str, target: str, attributes: int = 0) -> None:
    """Shows ``source`` with everything mounted below it at ``target``, which must exist.

    The attributes are added to the whole tree by mount_setattr (Linux 5.12): unlike a remount it keeps the flags that a user
    namespace may not take away.
    """
    mount(source, target, None, MS_BIND | MS_REC)
    if attributes:
        restrict(target, attributes)


def restrict(target: str, attributes: int) -> None:
    """Adds mount attributes (ATTRIBUTE_…) to ``target`` and everything mounted below it."""
    wanted = struct.pack("QQQQ", attributes, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        _path(target),
        ctypes.c_uint(_AT_RECURSIVE),
        wanted,
        ctypes.c_size_t(len(wanted)),
    )
    _check(result, f"mount_setattr {target}")


def device_of(descriptor: int) -> str:
    """The device (``major:minor``) of the file system that a descriptor (O_PATH) lies on, without asking that file system."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    mount_id = next(line.split()[1] for line in lines if line.startswith("mnt_id:"))
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return next(words[2] for words in mounts if words[0] == mount_id)


def pivot_root(root: str) -> None:
    """Makes the mount point ``root`` the root of this mount namespace and drops the old one."""
    os.chdir(root)
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, f"pivot_root: unknown machine {os.uname().machine}")
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", ctypes.c_int(_MNT_DETACH)), "umount the old root")
    os.chdir("/")


def die_with_parent(parent: int | None = None) -> None:
    """Has the kernel kill us when the parent ends; exits at once when our parent is not ``parent`` (None: not asked).

    A change of user clears this again.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def leave_keyring() -> None:
    """Takes a new, empty session keyring: ours may hold keys of the server's user. A no-op where keyrings are not offered."""
    number = _SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), ctypes.c_long(_KEYCTL_JOIN_SESSION_KEYRING), None)


def hide_from_ptrace() -> None:
    """Nobody without privileges over this process may trace it or read its memory."""
    _prctl(_PR_SET_DUMPABLE, 0)


def own_proc() -> None:
    """Gives /proc/self to this process's user, after hide_from_ptrace or a change of user."""
    _prctl(_PR_SET_DUMPABLE, 1)


def drop_privileges(but: frozenset[int] = frozenset(), until_change_of_user: frozenset[int] = frozenset()) -> None:
    """Gives up all capabilities ``but`` these (numbers below 32), now and for every program run later (no_new_privs).

    Those ``until_change_of_user`` stay until root becomes somebody else.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    capability = 0
    while (held := _libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(capability), 0, 0, 0)) >= 0:
        # Refused without CAP_SETPCAP; a process without it has nothing to lose here, and no_new_privs holds it there.
        if held and capability not in but:
            _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
        capability += 1
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    kept = sum(1 << capability for capability in but | until_change_of_user)
    _check(_libc.capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0)), "capset")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def _path(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _check(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
