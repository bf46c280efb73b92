"""Which interpreter and which packages the user's program gets.

A container may have a virtual environment of its own (``SAGEWRIGHT_PYTHON``), where pip puts what a program wants besides the image.
What a zygote has imported from the image is in this process already; a program that brought another version of it along needs a
new interpreter.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

VARIABLE = "SAGEWRIGHT_PYTHON"
_ONCE = "SAGEWRIGHT_RENEWED"
_MODULES = (".py", ".so")


def adopt() -> None:
    """From now on ``sys.executable`` is the container's own interpreter, where there is one: it is what programs call pip with."""
    own = os.environ.get(VARIABLE, "")
    if own and os.access(own, os.X_OK):
        sys.executable = own


def is_stale() -> bool:
    """Whether this process holds modules of the image in the place of which another version has been installed."""
    return any(_has_newer(Path(folder)) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder)


def renew(command: str) -> NoReturn:
    """Begins anew, as ``python -m sagewright_container command`` in a new interpreter. Raises RuntimeError the second time."""
    if os.environ.get(_ONCE):
        raise RuntimeError("modules were replaced again after a new start")
    os.environ[_ONCE] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "sagewright_container", command])


def _has_newer(folder: Path) -> bool:
    if folder.name != "site-packages":  # the user's own modules are no packages of the image
        return False
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names are wanted
    except OSError:
        return False
    return any(_is_another(_module(name), folder) for name in names)


def _is_another(name: str, folder: Path) -> bool:
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return bool(file) and not str(file).startswith(f"{folder}{os.sep}")


def _module(entry: str) -> str:
    return entry.partition(".")[0] if entry.endswith(_MODULES) else entry
