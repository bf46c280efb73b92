"""Builds an environment: once, whoever asks and however many ask at once, and whole or not at all.

It is made in a folder of its own and gets its name by rename: what has the name is complete. A lock beside it keeps a second
builder waiting, also one in another process; what a builder that died has left is removed by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from uv import find_uv_bin

from sagewright.compute import trees
from sagewright.compute.environments import toolkit
from sagewright.compute.environments.definition import Definition

_CACHE, _CACHE_SETTING = "cache", "UV_CACHE_DIR"  # unless the user has set another, which is not ours to empty
_LAST_WORDS = 600  # characters of a tool's complaint that a failure reason has room for
# What of our own environment would lead an interpreter or uv astray: it is another interpreter that they work on.
_MISLEADING = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "UV_PROJECT", "UV_PYTHON_PREFERENCE", "UV_SYSTEM_PYTHON")


class BuildError(Exception):
    """It could not be built; the text says why and how to try again."""


def interpreter(environment: Path) -> Path:
    """The Python of an environment's folder."""
    return environment / "bin" / "python"


def is_built(environment: Path) -> bool:
    """Whether it is there and the Python that it was made of still is."""
    return interpreter(environment).exists()


def builds(root: Path, name: str) -> list[Path]:
    """The folders of every build of an environment, of today's pins or of others."""
    pattern = re.compile(f"{re.escape(name)}-[0-9a-f]+")
    return sorted(folder for folder in root.glob(f"{name}-*") if pattern.fullmatch(folder.name) and folder.is_dir())


def build(root: Path, definition: Definition, quiet: bool = True) -> Path:
    """The folder of the environment, built unless it is there. Not ``quiet``: uv talks to the terminal. Raises BuildError."""
    goal = root / definition.identity
    try:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _locked(root / f"{definition.identity}.lock"):
            if not is_built(goal):
                partial = root / f".{definition.identity}.partial"
                for leftover in (partial, goal):
                    trees.remove(leftover)
                _make(_Tools(root, quiet), partial, definition)
                partial.rename(goal)
    except OSError as problem:
        raise BuildError(_sentence(definition.name, f"{problem.strerror or problem}: {problem.filename or root}")) from problem
    except subprocess.CalledProcessError as problem:
        complaint = (problem.stderr or "").strip() or f"{problem.cmd[0]} ended with {problem.returncode}"
        raise BuildError(_sentence(definition.name, complaint[-_LAST_WORDS:])) from problem
    return goal


def remove(root: Path, name: str) -> int:
    """Removes every build of an environment and what was kept of its downloads; how many builds there were. Raises OSError."""
    found = builds(root, name)
    for folder in found:
        with _locked(root / f"{folder.name}.lock"):
            trees.remove(folder)
    if found and _CACHE_SETTING not in os.environ:
        _Tools(root, quiet=True).uv("cache", "clean")  # it holds the same files under other names
    return len(found)


def _make(tools: _Tools, folder: Path, definition: Definition) -> None:
    """Raises BuildError, OSError, CalledProcessError."""
    python = str(interpreter(folder))
    tools.uv("venv", "--relocatable", "--no-project", "--python", definition.python or sys.executable, str(folder))
    if definition.requirements:
        pins = folder / "requirements.txt"
        pins.write_text("\n".join(definition.requirements) + "\n")
        tools.uv("pip", "sync", *_no_builds(definition), "--python", python, str(pins))
        tools.uv("pip", "check", "--python", python)
    toolkit.link(folder)
    _import_once(tools, python, definition)


def _no_builds(definition: Definition) -> list[str]:
    """Wheels only; where a definition names exceptions, for every package but those."""
    if not definition.sources:
        return ["--no-build"]
    names = [requirement.partition("==")[0] for requirement in definition.requirements]
    return [f"--only-binary={name}" for name in names if name not in definition.sources]


def _import_once(tools: _Tools, python: str, definition: Definition) -> None:
    """What cannot be imported is said now and not in a job; and byte code is written, which nobody can do in a container."""
    for module in ("sagewright_container", *definition.imports):
        try:
            tools.run(python, "-c", f"import {module}")
        except subprocess.CalledProcessError as problem:
            last = (problem.stderr or "").strip().rpartition("\n")[2]
            raise BuildError(_sentence(definition.name, f"{module} cannot be imported: {last}")) from problem


class _Tools:
    """Runs uv and the new interpreter; their output is kept for a complaint, or goes to the terminal."""

    def __init__(self, root: Path, quiet: bool) -> None:
        self._root = root
        self._quiet = quiet
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_MISLEADING)}
        # Downloads lie beside what is made of them: hard links, so that they take no room twice.
        self._environment = {_CACHE_SETTING: str(root / _CACHE), **kept}

    def uv(self, *words: str) -> None:
        self.run(find_uv_bin(), *words)

    def run(self, *command: str) -> None:
        output = subprocess.PIPE if self._quiet else None
        subprocess.run(
            command,
            check=True,
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            errors="replace",
            umask=0o022,  # the containers' user is another
        )


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sentence(name: str, why: str) -> str:
    return (
        f"The environment {name} could not be built; `sagewright environments build {name}` tries again and shows more: {why}"
    )
