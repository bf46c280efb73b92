"""Folders of the host that belong to somebody else and are lent to a container: no step of the way there may be a link.

Another container may write in the same folder at this moment; a link that it plants must not lead us elsewhere between a check
and the mount. Standard library only.
"""

from __future__ import annotations

import errno
import os
from pathlib import PurePosixPath

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


def opened(path: str) -> int:
    """A descriptor of the folder, to be closed. Raises OSError, for a link ELOOP or ENOTDIR."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] != "/" or ".." in parts:
        raise OSError(errno.EINVAL, "not a plain absolute path", path)
    descriptor = os.open("/", _STEP)
    for part in parts[1:]:
        try:
            below = os.open(part, _STEP, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor
