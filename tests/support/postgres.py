"""A Postgres server of the tests' own: a temporary folder, a Unix socket, nothing on the network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def binaries() -> Path | None:
    """The folder with initdb and postgres, of the newest version installed; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running(bin_folder: Path) -> Iterator[str]:
    """The URL of a server that runs meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="sw-pg-"))
    user = _server_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        data = folder / "data"
        _run(
            user, bin_folder / "initdb", "-D", data, "-A", "trust", "-U", "sagewright", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        options = ["-k", folder, "-c", "listen_addresses=", "-c", "shared_buffers=32MB"]
        process = subprocess.Popen(
            [str(part) for part in (bin_folder / "postgres", "-D", data, *options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_as(user),
        )
        try:
            _wait(bin_folder, folder, process)
            yield f"postgresql://sagewright@/postgres?host={folder}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def _server_user() -> pwd.struct_passwd | None:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(user: pwd.struct_passwd | None, *command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd="/", **_as(user))


def _wait(bin_folder: Path, folder: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while subprocess.run([bin_folder / "pg_isready", "-q", "-h", folder], check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("postgres did not start")
        time.sleep(0.05)
