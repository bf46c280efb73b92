"""Runs commands as an ordinary user, for tests that run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# In a mount namespace of its own: a Python that lies in a private home is shown alone in an empty one.
_SHOW = """
stage=$(mktemp -d)
mount --bind "$SHOWN" "$stage"
mount -t tmpfs -o mode=755,size=1m tmpfs "$HIDDEN"
mkdir -p "$SHOWN"
mount --bind "$stage" "$SHOWN"
umount "$stage"
rmdir "$stage"
exec "$@"
"""


@dataclass(frozen=True)
class User:
    """``prefix`` is what to put before a command so that this user runs it."""

    number: int
    prefix: list[str]


def ordinary_user(number: int, needs: str) -> User | None:
    """A user with nothing but this id, who can run our interpreter and the Python code ``needs``; None where that cannot be."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return None
    become = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", "env", f"HOME=/nonexistent-{number}"]
    for prefix in ([], _show(Path(sys.base_prefix).resolve())):
        user = User(number, [*prefix, *become])
        if (
            subprocess.run([*user.prefix, sys.executable, "-c", needs], capture_output=True, cwd="/", check=False).returncode
            == 0
        ):
            return user
    return None


def _show(python: Path) -> list[str]:
    private = next((folder for folder in reversed(python.parents) if not folder.stat().st_mode & 0o001), python)
    return ["unshare", "-m", "env", f"SHOWN={python}", f"HIDDEN={private}", "/bin/sh", "-euc", _SHOW, "show"]
