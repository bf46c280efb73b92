"""The shared libraries that the SDK's ModelBuilder packs beside a model.

Its script copies /opt/ml/model/shared_libs into /lib, which is the image's and cannot be written here. So they are loaded before the
script is, and the folder takes another name, under which the script does not look for it.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

_FOLDER, _TAKEN = "shared_libs", ".shared_libs"


def take(model: Path) -> None:
    """Does nothing to an archive that ModelBuilder has not made. Raises OSError for a library that cannot be loaded."""
    if not (model / "code" / "serve.pkl").is_file():
        return
    with suppress(OSError):  # another worker was faster
        (model / _FOLDER).rename(model / _TAKEN)
    waiting = sorted((model / _TAKEN).glob("*.so*"))
    while waiting:
        left = [library for library in waiting if not _loads(library)]
        if len(left) == len(waiting):
            ctypes.CDLL(str(left[0]), ctypes.RTLD_GLOBAL)  # says what it lacks
        waiting = left


def _loads(library: Path) -> bool:
    """False for one whose own libraries are yet to come."""
    try:
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True
