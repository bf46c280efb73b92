"""The virtual environment of a container's own: where ``pip install`` puts what a job wants besides its image.

On AWS a container's user writes where Python lies; here an image's files are read-only and shared. So each container finds a small
writable environment first on its PATH: an interpreter that sees its own packages, then the layers that were brought along
(environments/layer.py), then the image's. It lies in the container's own root folder and goes with that. What is forked from a
zygote, and the image's own programs, see its packages by PYTHONPATH. Standard library only: the shim makes it.
"""

from __future__ import annotations

import functools
import os
import site
import sys
from pathlib import Path
from typing import Any

HOME = "/var/python"
"""Where it lies inside."""
PROGRAM = f"{HOME}/bin/python"
MARKER = "image.pth"
"""The file that leads from its packages to the others."""
VARIABLE = "SAGEWRIGHT_PYTHON"
"""Tells the toolkit which interpreter the user's program should take for its own."""

_PIP = f"#!{PROGRAM}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"


def describe(python: str, layers: tuple[str, ...] = ()) -> dict[str, Any]:
    """What ``make`` and ``variables`` need to know: of an image's interpreter, and of the layers' folders, the first one first."""
    return {**_image(python), "layers": list(layers)}


def make(root: Path, described: dict[str, Any], home: Path | None = None) -> None:
    """Below the container's root folder, or at ``home``."""
    top, version = str(home or root / HOME.lstrip("/")), described["version"]
    packages, programs = packages_of(top, version), f"{top}/bin"
    for folder in (top, f"{top}/lib", f"{top}/lib/python{version}", packages, programs):  # every start pays for it: plain calls
        if not os.path.isdir(folder):  # noqa: PTH112
            os.mkdir(folder)  # noqa: PTH102
        os.chmod(folder, 0o755)  # noqa: PTH101
    for name, goal in (("python", described["base"]), ("python3", "python"), (f"python{version}", "python")):
        os.symlink(goal, f"{programs}/{name}")  # noqa: PTH211
    for name in ("pip", "pip3") if described["pip"] else ():
        _write(f"{programs}/{name}", _PIP, 0o755)
    base = os.path.dirname(described["base"])  # noqa: PTH120
    _write(f"{top}/pyvenv.cfg", f"home = {base}\ninclude-system-site-packages = false\nversion = {version}\n", 0o644)
    folders = (*(packages_of(layer, version) for layer in described["layers"]), *described["image"])
    _write(f"{packages}/{MARKER}", "".join(f"import site; site.addsitedir({folder!r})\n" for folder in folders), 0o644)


def variables(described: dict[str, Any], there: bool = True) -> dict[str, str]:
    """The variables that lead to it; PATH and PYTHONPATH belong before what else these name. Not ``there``: only to the layers."""
    homes, version = (*([HOME] if there else []), *described["layers"]), described["version"]
    packages = ":".join(packages_of(home, version) for home in homes)
    found = {"PATH": ":".join(f"{home}/bin" for home in homes), "PYTHONPATH": packages}
    return {**found, VARIABLE: PROGRAM} if there else found


def packages_of(home: str, version: str) -> str:
    """The folder of packages of a virtual environment, or of a layer, which has the same form."""
    return f"{home}/lib/python{version}/site-packages"


def site_packages(python: str) -> list[str]:
    """The folders of packages of an image's interpreter: this process's, or a virtual environment's."""
    if python != sys.executable:
        return [str(path) for path in sorted(Path(python).parent.parent.glob("lib/python*/site-packages"))]
    found = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
    return [folder for folder in dict.fromkeys(found) if Path(folder).is_dir()]


def _write(path: str, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(descriptor, text.encode())
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


@functools.cache
def _image(python: str) -> dict[str, Any]:
    folders = site_packages(python)
    pip = any(Path(folder, "pip").is_dir() for folder in folders)
    return {"base": str(Path(python).resolve()), "version": _version(python), "image": folders, "pip": pip}


def _version(python: str) -> str:
    if python == sys.executable:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(site_packages(python)[0]).parent.name.removeprefix("python")
