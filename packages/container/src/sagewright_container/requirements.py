"""The user's requirements.txt: installed for the job when the image does not satisfy it already.

Often the server has done so before the start, in a layer that all jobs with the same file share; it then names the file's digest
(``SAGEWRIGHT_REQUIREMENTS``). Else pip puts it into the container's own environment, or, where there is none (plain processes),
into a folder of the job. Whoever has everything already pays no pip start. Loaded by name, only where there is such a file
(importlib.metadata is slow to import).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from sagewright_container import interpreter
from sagewright_container.errors import CodeError
from sagewright_container.python_path import add_to_path

LAYERED = "SAGEWRIGHT_REQUIREMENTS"
_EXACT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9, ._-]*\])?\s*(?:==\s*([A-Za-z0-9.!+_-]+))?\s*(?:#.*)?$")
_TAIL = 800  # characters of the installer's last words: the failure file has room for 1 024


def install(code: Path) -> None:
    """Installs ``code/requirements.txt`` where it is needed. Raises CodeError with the installer's reason."""
    file = code / "requirements.txt"
    content = file.read_bytes()
    if os.environ.get(LAYERED) == hashlib.sha256(content).hexdigest() or satisfied(content.decode("utf-8", "replace")):
        return
    target = None if sys.executable == os.environ.get(interpreter.VARIABLE) else code / ".requirements" / "site-packages"
    print(f"Installing dependencies from {file}", flush=True)
    command = [*_installer(), *([] if target is None else ["--target", str(target)]), "-r", str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=code)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise CodeError(
            f"InstallRequirementsError: requirements.txt could not be installed (is the container's network off? "
            f"see EnableNetworkIsolation)\n{done.stdout.strip()[-_TAIL:]}"
        )
    if target is not None:
        add_to_path(target)
    importlib.invalidate_caches()


def satisfied(text: str) -> bool:
    """Whether every line is ``name`` or ``name==version`` of something installed. Anything else is pip's to decide."""
    lines = [line.strip() for line in text.splitlines()]
    return all(_is_installed(line) for line in lines if line and not line.startswith("#"))


def _installer() -> list[str]:
    """pip, or uv where an environment was made without pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    uv = Path(sys.executable).with_name("uv")
    if uv.is_file():
        return [str(uv), "pip", "install", "--python", sys.executable, "--no-cache"]
    raise CodeError("InstallRequirementsError: requirements.txt cannot be installed: this image has neither pip nor uv")


def _is_installed(line: str) -> bool:
    match = _EXACT.match(line)
    if match is None or match.group(2):
        return False
    try:
        installed = metadata.version(match.group(1))
    except metadata.PackageNotFoundError:
        return False
    return match.group(3) in (None, installed)
