"""The Python interpreters of this machine, by version: what an environment of another version can be made of.

Nothing is downloaded: there is what the system, pyenv or uv have installed. An interpreter is a program, not a script that looks
for one (pyenv's shims).
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = (3, 9)
"""What the toolkit in a container needs."""
_NAME = re.compile(r"python3\.(\d+)")
_MAGIC = b"\x7fELF"


@functools.cache
def installed() -> dict[str, str]:
    """Version ("3.10") → path, newest last. The server's own version is the server's own interpreter."""
    found: dict[tuple[int, int], str] = {}
    for folder in _folders():
        for program in sorted(folder.glob("python3.*")):
            match = _NAME.fullmatch(program.name)
            if match and (version := (3, int(match[1]))) >= OLDEST and version not in found and _is_program(program):
                found[version] = str(program)
    found[sys.version_info[:2]] = sys.executable
    return {f"{major}.{minor}": path for (major, minor), path in sorted(found.items())}


def _folders() -> Iterator[Path]:
    yield from (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)
    yield from map(Path, ("/usr/local/bin", "/usr/bin"))
    home = Path.home()
    for root in (Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions", home / ".local/share/uv/python"):
        yield from sorted(root.glob("*/bin"), reverse=True)


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return os.access(path, os.X_OK) and file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
