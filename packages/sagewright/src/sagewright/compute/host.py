"""What of this machine a container sees, and as whom its processes run."""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.compute.users import USERS

JOB_USER = (65534, 65534)
"""Uid and gid on the host of every container's processes when the server is root."""

IMAGE_USERS = 0x7800_0000
"""The first of the ids on the host that stand for the users 0 to 65535 of images: above those that distributions give out."""

# Read-only in every container. Anything else at the top (home folders, /srv, /data, /var, /run) may hold what is nobody's
# business; a container has folders of its own under the usual names.
_SYSTEM = ("bin", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "sbin", "usr")
_PREFIX_PARTS = ("bin", "include", "lib", "lib64", "pyvenv.cfg", "share")
_INSIDE = ("sagewright_container", "sagewright_algorithms")


@functools.cache
def image_users() -> int | None:
    """IMAGE_USERS when we may give its ids away; None where every user of an image is the one user that containers have."""
    if os.geteuid() != 0:
        return None
    maps = [Path(f"/proc/self/{name}").read_text().splitlines() for name in ("uid_map", "gid_map")]
    spans = [[tuple(map(int, line.split()))[::2] for line in lines] for lines in maps]
    held = all(any(first <= IMAGE_USERS and first + count >= IMAGE_USERS + USERS for first, count in span) for span in spans)
    return IMAGE_USERS if held else None


def default_user() -> tuple[int, int] | None:
    """JOB_USER when the server is root."""
    return JOB_USER if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Host:
    """``run`` is the server's folder for sockets, ``hidden`` what no container may see (the data folder).

    ``user`` is (uid, gid) for the containers' processes when the server is root; None for an ordinary user's own.
    """

    run: Path
    hidden: tuple[Path, ...]
    user: tuple[int, int] | None = field(default_factory=default_user)


@functools.cache
def trees() -> tuple[tuple[str, str], ...]:
    """What is shown read-only, as (source, target): the system, /opt, this Python, the packages that run inside."""
    found = [(f"/{name}", f"/{name}") for name in _SYSTEM if Path("/", name).is_dir() and not Path("/", name).is_symlink()]
    found += [
        (str(entry), str(entry)) for entry in sorted(Path("/opt").glob("*")) if entry.name != "ml" and not entry.is_symlink()
    ]
    if Path("/sys/devices/system").is_dir():
        found.append(("/sys/devices/system", "/sys/devices/system"))  # processor topology, for OpenMP and torch
    for path in _python_folders():
        if not _covered(path, found):
            found.append((os.path.realpath(path), str(path)))
    return tuple(found)


def interpreter(python: str) -> tuple[tuple[str, str], ...]:
    """The same for a virtual environment's interpreter: its folder, and the Python that it was made of where nothing shows it."""
    if python == sys.executable:
        return ()
    folder, base = Path(python).parent.parent, Path(os.path.realpath(python)).parent.parent
    found = [(os.path.realpath(folder), str(folder))]
    return (*found, (str(base), str(base))) if not _covered(base, [*trees(), *found]) else tuple(found)


@functools.cache
def links() -> tuple[tuple[str, str], ...]:
    """Symbolic links at the top, as (goal, path): /bin is usr/bin on most machines."""
    return tuple((str(Path("/", name).readlink()), f"/{name}") for name in _SYSTEM if Path("/", name).is_symlink())


@functools.cache
def python_path() -> tuple[str, ...]:
    """Folders that PYTHONPATH must name so that the container finds the toolkit where it is not installed."""
    folders = [str(package.parent) for package in packages() if not _in_site(package)]
    return tuple(dict.fromkeys(folders + [entry for entry in sys.path if _is_user_site(entry)]))


@functools.cache
def resolver() -> str | None:
    """Where /etc/resolv.conf really lies when that is outside of what is shown (systemd keeps it in /run)."""
    real = os.path.realpath("/etc/resolv.conf")
    return real if Path(real).is_file() and not _covered(Path(real), list(trees())) else None


def gpu_devices() -> list[str]:
    """NVIDIA's device files."""
    return sorted(glob.glob("/dev/nvidia*"))  # noqa: PTH207 - strings are wanted


def environment(hostname: str, python: str = sys.executable) -> dict[str, str]:
    """What every container finds in its environment, before what its own specification says.

    ``python`` is the interpreter that it runs in; another one than the server's finds the toolkit among its own packages.
    """
    values = {
        "PATH": f"{Path(python).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "HOSTNAME": hostname,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
    return {**values, "PYTHONPATH": ":".join(python_path())} if python == sys.executable and python_path() else values


def _python_folders() -> list[Path]:
    """Folders without which this interpreter does not start elsewhere, whatever private folder they lie in."""
    real = Path(os.path.realpath(sys.executable)).parent.parent
    folders: list[Path] = []
    for prefix in dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), real)):
        for path in (prefix, Path(os.path.realpath(prefix))):
            # A prefix that is somebody's home holds more than Python.
            folders += [path / part for part in _PREFIX_PARTS if (path / part).exists()] if path == Path.home() else [path]
    folders += [Path(entry) for entry in sys.path if _is_user_site(entry)]
    folders += [package for package in packages() if not _in_site(package)]
    return [folder for folder in dict.fromkeys(folders) if folder != Path("/")]


def packages() -> list[Path]:
    """The folders of the packages that run inside."""
    found = []
    for name in _INSIDE:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            found.append(Path(spec.submodule_search_locations[0]))
    return found


def _in_site(package: Path) -> bool:
    return any(part in ("site-packages", "dist-packages") for part in package.parts)


def _is_user_site(entry: str) -> bool:
    inside = any(Path(entry).is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix))
    return _in_site(Path(entry)) and not inside and Path(entry).is_dir()


def _covered(path: Path, shown: list[tuple[str, str]]) -> bool:
    return any(path.is_relative_to(target) for _, target in shown)
