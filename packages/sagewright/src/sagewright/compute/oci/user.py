"""Whom an image's USER names: looked up in the image's own /etc/passwd and /etc/group, as Docker does.

These files are the user's: they are read through descriptors of folders, following no link, and never more than a little of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sagewright.compute.oci.manifest import UnusableImage
from sagewright.compute.users import USERS

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIMIT = 1024 * 1024


class User(NamedTuple):
    """Ids inside, and the home folder."""

    user: int
    group: int
    groups: tuple[int, ...]
    home: str


def find(text: str, layers: Sequence[Path]) -> User:
    """Of USER as the image says it: ``user[:group]``, names or numbers, empty for root. Raises UnusableImage."""
    name, _, group_name = text.partition(":")
    users = _records(layers, "passwd", 7)
    entry = next((fields for fields in users if fields[0] == name or fields[2] == (name or "0")), None)
    if entry is None and name and not name.isdecimal():
        raise UnusableImage(f"unable to find user {name}: no matching entries in passwd file")
    user = _number(entry[2] if entry else name or "0")
    home = entry[5] if entry and entry[5] else "/root" if user == 0 else "/"
    if group_name:
        return User(user, _group(group_name, layers), (), home)
    groups = [_number(fields[2]) for fields in _records(layers, "group", 4) if entry and entry[0] in fields[3].split(",")]
    return User(user, _number(entry[3]) if entry else 0, tuple(groups), home)


def _group(name: str, layers: Sequence[Path]) -> int:
    entry = next((fields for fields in _records(layers, "group", 4) if fields[0] == name), None)
    if entry is None and not name.isdecimal():
        raise UnusableImage(f"unable to find group {name}: no matching entries in group file")
    return _number(entry[2] if entry else name)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or int(text) >= USERS:
        raise UnusableImage(f"its user or group {text!r} is not a number below {USERS}")
    return int(text)


def _records(layers: Sequence[Path], name: str, length: int) -> list[list[str]]:
    lines = _content(layers, name).decode(errors="replace").splitlines()
    fields = [line.split(":") for line in lines]
    return [record for record in fields if len(record) >= length and record[2].isdecimal()]


def _content(layers: Sequence[Path], name: str) -> bytes:
    """/etc/``name`` of the highest layer that has something there."""
    for layer in reversed(layers):
        try:
            etc = os.open(layer / "etc", _FOLDER)
        except FileNotFoundError:
            continue
        except OSError:  # a link, a file or a whiteout: what is below is hidden
            return b""
        try:
            return _read(etc, name)
        except FileNotFoundError:
            if _is_opaque(etc):
                return b""
        finally:
            os.close(etc)
    return b""


def _read(folder: int, name: str) -> bytes:
    """Raises FileNotFoundError. What is no plain file is as good as empty."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_LIMIT) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def _is_opaque(folder: int) -> bool:
    return any(name.endswith(".overlay.opaque") for name in os.listxattr(folder))
