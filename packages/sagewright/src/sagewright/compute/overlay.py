"""The root of a container of an image: the image's layers below, what the container writes on top. Standard library only.

The layers are shared by all containers and never written to. The top lies in the run folder's scratch, on disk, and goes with it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from sagewright.compute import namespaces

_UNDER = "under"  # where a file system in memory is mounted when the disk's cannot be the top of an overlay
_IN_MEMORY = 1 << 30  # bytes


def mount(image: dict[str, Any], scratch: str, owner: tuple[int, int] | None) -> str:
    """Mounts the image's root below ``scratch`` and returns where; in a mount namespace of our own. Raises OSError.

    ``owner``: the host's ids of the container's user where those of the image are mapped, else None. Overlayfs itself (a
    server in a container) and some network file systems cannot be the top of an overlay: memory is, then.
    """
    here, users = Path(scratch), image["users"]
    if owner is not None and users is not None:
        owner = (users, users)
    try:
        return _mount(image, here, owner)
    except OSError as unfit:
        if unfit.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    memory = here / _UNDER
    memory.mkdir()
    flags = namespaces.MS_NOSUID | namespaces.MS_NODEV
    namespaces.mount("tmpfs", str(memory), "tmpfs", flags, f"size={_IN_MEMORY},mode=755")
    return _mount(image, memory, owner)


def _mount(image: dict[str, Any], folder: Path, owner: tuple[int, int] | None) -> str:
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o755)
        if owner is not None:
            os.chown(folder / name, *owner)
    top = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    back = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # By short names: the options must fit into a page, and a path may hold a colon or a comma.
        os.chdir(image["folder"])
        lower = ":".join(reversed(image["layers"]))
        options = f"lowerdir={lower},upperdir=/proc/self/fd/{top}/upper,workdir=/proc/self/fd/{top}/work"
        if owner is None:
            options += ",userxattr"  # who is no root of the machine cannot write the trusted ones
        namespaces.mount("overlay", f"/proc/self/fd/{top}/root", "overlay", 0, options)
    finally:
        os.fchdir(back)
        os.close(back)
        os.close(top)
    return str(folder / "root")
