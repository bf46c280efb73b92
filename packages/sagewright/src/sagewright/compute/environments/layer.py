"""Layers: what a requirements.txt wants besides an image, installed once and shared by all jobs with the same file.

A layer is a folder like a virtual environment's, named by the requirements and by what they are laid over. It holds what the image
does not have, or has in a version that the requirements exclude. Only wheels are taken, so that no code of a package runs outside a
container; files that want more than packages by name (paths, URLs, options, an index of their own) are left to pip in the container.

pip installs them, not uv: it alone counts what is installed elsewhere on the path, the image's, as installed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from sagewright.compute import trees, workbench
from sagewright.compute.environments.tools import Tools, complaint, locked

FOLDER = "layers"
"""Below the environments' own."""
VARIABLE = "SAGEWRIGHT_REQUIREMENTS"
"""Tells the toolkit in a container which requirements.txt (SHA-256) a layer has satisfied already."""
FILE = "requirements.txt"
_LARGEST = 1 << 20  # bytes of a requirements.txt
_INSTALLERS = ("PIP_", "UV_", "CA_REPOSITORY_ARN")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9,._ -]*\])?\s*([<>=!~][^@/\\]*)?(;[^@/\\]*)?")
_COMMENT = re.compile(r"(^|\s)#.*")
_DIGEST = 16


class LayerError(Exception):
    """It cannot be made; the installer's last lines."""


def wanted(text: str) -> list[str] | None:
    """The requirements of a file; None for one that only pip in the container can read."""
    lines = [_COMMENT.sub("", line).strip() for line in text.splitlines()]
    found = [line for line in lines if line]
    return found if all(_PLAIN.fullmatch(line) and " -" not in line for line in found) else None


def wishes(files: Iterable[bytes]) -> dict[str, list[str]]:
    """Requirements by the digest of the file that they are from; an empty file, and what only pip can read, are left out."""
    found = {hashlib.sha256(file).hexdigest(): wanted(file.decode(errors="replace")) for file in files if file}
    return {digest: wish for digest, wish in found.items() if wish}


def has_own_installer(variables: Mapping[str, object]) -> bool:
    """Whether a container's environment has something to say to pip, which then has to run there."""
    return any(name.startswith(_INSTALLERS) for name in variables)


def in_archive(archive: Path) -> bytes:
    """The requirements.txt of a source archive, or nothing; what cannot be read is the toolkit's to complain of."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.removeprefix("./") == FILE and member.isfile() and member.size < _LARGEST:
                    file = tar.extractfile(member)
                    return file.read() if file is not None else b""
    except (OSError, EOFError, tarfile.TarError):
        return b""
    return b""


def content(folder: Path, name: str) -> bytes:
    """Of a file that came from a user: not from outside of its folder, by name or by link, and not without end."""
    try:
        file = (folder / name).resolve()
        fits = file.is_relative_to(folder.resolve()) and file.is_file() and file.stat().st_size <= _LARGEST
        return file.read_bytes() if fits else b""
    except (OSError, ValueError):  # no name of a file at all
        return b""


def is_met(python: str, requirements: Sequence[str]) -> bool:
    """Whether an interpreter's packages are plainly all that is wanted: names, or names with one version. Else pip has to decide."""
    there = _installed(python)
    pinned = [requirement.replace(" ", "").partition("==") for requirement in requirements]
    return all(_normal(name) in there and version in ("", there[_normal(name)]) for name, _, version in pinned)


def place(root: Path, python: str, requirements: Sequence[str]) -> Path:
    """The folder of a layer, whether it is there or not. ``root`` is settings.environments."""
    about = json.dumps([_identity(python), sorted(requirements)])
    return root / FOLDER / hashlib.sha256(about.encode()).hexdigest()[:_DIGEST]


def make(root: Path, python: str, requirements: Sequence[str]) -> Path:
    """Installs them unless that is done. Raises LayerError, OSError."""
    goal = place(root, python, requirements)
    goal.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(goal.with_name(f"{goal.name}.lock")):
        if not goal.is_dir():
            partial = goal.with_name(f".{goal.name}.partial")
            trees.remove(partial)
            partial.mkdir(mode=0o755)
            problem = _install(Tools(root, quiet=True), partial, goal, python, requirements)
            if problem:
                trees.remove(partial)
                raise LayerError(problem)
            partial.rename(goal)
    return goal


def inventory(root: Path) -> tuple[int, int]:
    """How many layers there are, and the bytes that they take."""
    found = [path for path in (root / FOLDER).glob("*") if path.is_dir()]
    return len(found), trees.disk_use(*found)


def remove(root: Path) -> int:
    """Removes every layer; how many there were. Raises OSError."""
    count, _ = inventory(root)
    trees.remove(root / FOLDER)
    return count


def _install(tools: Tools, partial: Path, goal: Path, python: str, requirements: Sequence[str]) -> str:
    """A complaint, or empty."""
    described = workbench.describe(python)
    workbench.make(partial, described, home=partial)
    own = str(partial / "bin" / "python")
    wish = partial / "requirements.txt"
    wish.write_text("\n".join(requirements) + "\n")
    pip = ("-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location")
    failed = complaint(lambda: tools.run(own, *pip, "--only-binary", ":all:", "--no-compile", "-r", str(wish)))
    if not failed:  # in a container the folder is read-only: byte code is written now
        tools.run(own, "-m", "compileall", "-qq", "-s", str(partial), "-p", str(goal), str(partial / "lib"), may_fail=True)
        _finish(partial)
    return failed


def _finish(partial: Path) -> None:
    """What made it a virtual environment goes; its programs are run by the container's own interpreter."""
    for name in ("pip", "pip3", "python", "python3", *(path.name for path in (partial / "bin").glob("python3.*"))):
        (partial / "bin" / name).unlink(missing_ok=True)
    (partial / "pyvenv.cfg").unlink()
    for marker in partial.glob(f"lib/python*/site-packages/{workbench.MARKER}"):
        marker.unlink()
    shebang = f"#!{partial}/bin/python".encode()
    for program in (partial / "bin").iterdir():
        first, end, rest = program.read_bytes().partition(b"\n")
        if first.startswith(shebang):
            program.write_bytes(b"#!" + workbench.PROGRAM.encode() + end + rest)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _identity(python: str) -> Any:
    """An environment's folder is named by its content; the server's own is what is installed in it today."""
    if python != sys.executable:
        return Path(python).parent.parent.name
    return [f"{sys.version_info.major}.{sys.version_info.minor}", sorted(_installed(python).items())]


def _installed(python: str) -> Mapping[str, str]:
    folders = tuple(workbench.site_packages(python))
    return _read(folders, tuple(Path(folder).stat().st_mtime_ns for folder in folders))


@functools.lru_cache(maxsize=16)
def _read(folders: tuple[str, ...], _: tuple[int, ...]) -> Mapping[str, str]:
    """Name → version. Installing something changes the time of a folder."""
    found: dict[str, str] = {}
    for item in metadata.distributions(path=list(folders)):
        found.setdefault(_normal(item.name), item.version)
    return found
