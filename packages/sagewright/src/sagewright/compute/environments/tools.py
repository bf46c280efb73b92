"""Running uv and interpreters to build with: in an environment that leads neither astray, one builder at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from uv import find_uv_bin

from sagewright.compute.environments.resolution import Unsatisfiable

CACHE_SETTING = "UV_CACHE_DIR"
"""Unless the user has set it, downloads are kept in a folder of ours."""
_CACHE = "cache"
_LAST_WORDS = 600  # characters of a tool's complaint that a failure reason has room for
# What of our own environment would lead an interpreter or uv astray: it is another interpreter that they work on.
_MISLEADING = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "UV_PROJECT", "UV_PYTHON_PREFERENCE", "UV_SYSTEM_PYTHON")


class Tools:
    """Runs uv and the new interpreter; their output is kept for a complaint, or goes to the terminal."""

    def __init__(self, root: Path, quiet: bool) -> None:
        self._root = root
        self._quiet = quiet
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_MISLEADING)}
        # Downloads lie beside what is made of them: hard links, so that they take no room twice.
        self._environment = {CACHE_SETTING: str(root / _CACHE), "UV_PYTHON_DOWNLOADS": "never", **kept}

    def uv(self, *words: str) -> None:
        """Raises OSError, CalledProcessError."""
        self.run(find_uv_bin(), *words)

    def compile(self, python: str, requirements: Iterable[str], *, lowest: bool = False, until: str = "") -> list[str]:
        """Pins for requirements (resolution.Compile). Raises Unsatisfiable, OSError."""
        words = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-build", "--no-sources", "--python", python]
        words += ["--resolution", "lowest-direct"] if lowest else []
        words += ["--exclude-newer", until] if until else []
        given = "\n".join(requirements)
        try:
            done = self._run([find_uv_bin(), *words, "-"], subprocess.PIPE, subprocess.PIPE, given)
        except subprocess.CalledProcessError as problem:
            raise Unsatisfiable(" ".join(problem.stderr.split())) from problem
        return [line for line in done.stdout.splitlines() if line and not line.startswith(("#", "-"))]

    def run(self, *command: str, may_fail: bool = False) -> None:
        """Raises OSError, and CalledProcessError unless it ``may_fail``."""
        output = subprocess.PIPE if self._quiet else None
        self._run(list(command), output, output, must=not may_fail)

    def _run(
        self, command: list[str], stdout: int | None, stderr: int | None, given: str = "", must: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=must,
            cwd=self._root,
            env=self._environment,
            input=given,
            stdout=stdout,
            stderr=stderr,
            text=True,
            errors="replace",
            umask=0o022,  # the containers' user is another
        )


def complaint(work: Callable[[], None]) -> str:
    """The last words of a tool that failed, or empty."""
    try:
        work()
    except subprocess.CalledProcessError as problem:
        said = (problem.stderr or problem.stdout or "").strip()
        return (said or f"{problem.cmd[0]} ended with {problem.returncode}")[-_LAST_WORDS:]
    return ""


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keeps a second builder waiting, also one in another process. Raises OSError."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
