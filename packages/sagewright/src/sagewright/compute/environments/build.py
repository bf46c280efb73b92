"""Builds an environment: once, whoever asks and however many ask at once, and whole or not at all.

It is made in a folder of its own and gets its name by rename: what has the name is complete. A lock beside it keeps a second
builder waiting, also one in another process; what a builder that died has left is removed by the next.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from sagewright.compute import trees
from sagewright.compute.environments import pythons, toolkit
from sagewright.compute.environments.definition import Definition, names
from sagewright.compute.environments.edition import Edition
from sagewright.compute.environments.resolution import Unsatisfiable, resolve
from sagewright.compute.environments.tools import CACHE_SETTING, Tools, locked

_LAST_WORDS = 600  # characters of a tool's complaint that a failure reason has room for
EDITIONS = "editions"
"""The folder of the definitions that were made for tags, below the environments' own."""


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
        with locked(root / f"{definition.identity}.lock"):
            if not is_built(goal):
                partial = root / f".{definition.identity}.partial"
                for leftover in (partial, goal):
                    trees.remove(leftover)
                _make(Tools(root, quiet), partial, definition)
                partial.rename(goal)
    except OSError as problem:
        raise BuildError(_sentence(definition.name, f"{problem.strerror or problem}: {problem.filename or root}")) from problem
    except subprocess.CalledProcessError as problem:
        said = (problem.stderr or "").strip() or f"{problem.cmd[0]} ended with {problem.returncode}"
        raise BuildError(_sentence(definition.name, said[-_LAST_WORDS:])) from problem
    return goal


def define(root: Path, definitions: Path, name: str, quiet: bool = True) -> Definition:
    """An environment's definition: of the folder, or of an edition (``sklearn@1.2``), whose pins are asked for once and kept.

    Raises KeyError when there is none of that name, BuildError when the registry has nothing for it.
    """
    edition = Edition.parse(name)
    if edition is None:
        return Definition.read(definitions, name)
    kept = root / EDITIONS
    try:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(root / f"{name}.lock"):
            if name not in names(kept):
                resolve(edition, Tools(root, quiet).compile).write(kept)
        return Definition.read(kept, name)
    except Unsatisfiable as problem:
        raise BuildError(_sentence(name, str(problem)[-_LAST_WORDS:])) from problem
    except OSError as problem:
        raise BuildError(_sentence(name, f"{problem.strerror or problem}: {problem.filename or root}")) from problem


def remove(root: Path, name: str) -> int:
    """Removes every build of an environment and what was kept of its downloads; how many builds there were. Raises OSError."""
    found = builds(root, name)
    (root / EDITIONS / f"{name}.toml").unlink(missing_ok=True)  # the next build asks the registry anew
    for folder in found:
        with locked(root / f"{folder.name}.lock"):
            trees.remove(folder)
    if found and CACHE_SETTING not in os.environ:
        Tools(root, quiet=True).uv("cache", "clean")  # it holds the same files under other names
    return len(found)


def _make(tools: Tools, folder: Path, definition: Definition) -> None:
    """Raises BuildError, OSError, CalledProcessError."""
    python = str(interpreter(folder))
    base = pythons.installed().get(definition.python, definition.python) or sys.executable
    tools.uv("venv", "--relocatable", "--no-project", "--python", base, str(folder))
    if definition.requirements:
        pins = folder / "requirements.txt"
        pins.write_text("\n".join(definition.requirements) + "\n")
        tools.uv("pip", "sync", *_no_builds(definition), "--python", python, str(pins))
        # An edition's pins are uv's own; some old wheels name a platform wrongly. What is left out would be missed.
        if Edition.parse(definition.name) is None and not definition.without:
            tools.uv("pip", "check", "--python", python)
    toolkit.link(folder)
    _import_once(tools, python, definition)


def _no_builds(definition: Definition) -> list[str]:
    """Wheels only; where a definition names exceptions, for every package but those."""
    if not definition.sources:
        return ["--no-build"]
    names = [requirement.partition("==")[0] for requirement in definition.requirements]
    return [f"--only-binary={name}" for name in names if name not in definition.sources]


def _import_once(tools: Tools, python: str, definition: Definition) -> None:
    """What cannot be imported is said now and not in a job; and byte code is written, which nobody can do in a container."""
    for module in ("sagewright_container", *definition.imports):
        try:
            tools.run(python, "-c", f"import {module}")
        except subprocess.CalledProcessError as problem:
            last = (problem.stderr or "").strip().rpartition("\n")[2]
            raise BuildError(_sentence(definition.name, f"{module} cannot be imported: {last}")) from problem


def _sentence(name: str, why: str) -> str:
    return (
        f"The environment {name} could not be built; `sagewright environments build {name}` tries again and shows more: {why}"
    )
