"""The model channel: the artifact of an earlier job, as model.tar.gz or already unpacked."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath

from sagewright_algorithms.common.channels import files
from sagewright_algorithms.common.errors import ClientError


def read(folder: Path) -> dict[str, bytes]:
    """The artifact's files by name, whatever folder they lie in. Raises ClientError."""
    found = {path.name: path for path in files(folder)}
    archives = [path for path in found.values() if path.name.endswith((".tar.gz", ".tgz"))]
    if not found:
        raise ClientError(f"The {folder.name} channel is empty")
    if not archives:
        return {name: path.read_bytes() for name, path in found.items()}
    if len(archives) > 1:
        raise ClientError(f"The {folder.name} channel holds several archives: {sorted(path.name for path in archives)}")
    return _members(archives[0])


def _members(archive: Path) -> dict[str, bytes]:
    """Nothing is written: a member's path cannot lead anywhere."""
    found = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None:
                    found[PurePosixPath(member.name).name] = content.read()
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise ClientError(f"{archive.name} of the model channel cannot be read: {error}") from error
    return found
