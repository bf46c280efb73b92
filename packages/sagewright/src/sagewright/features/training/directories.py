"""EFS and FSx for Lustre as data sources: directories of this machine that the settings register under a file system's id."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.compute import lent
from sagewright.compute.host import JOB_USER
from sagewright.compute.runtime import Mount
from sagewright.kernel.errands import ErrandFailed

LUSTRE = "FSxLustre"


@dataclass(frozen=True, slots=True)
class Directories:
    """``registered`` are the settings': a directory by file system id, and whether jobs may write there."""

    registered: Mapping[str, tuple[Path, bool]]

    def mount(self, channel: Mapping[str, Any], target: str) -> Mount:
        """A channel's FileSystemDataSource as a container sees it. Raises ErrandFailed for what is not there or not allowed."""
        source = channel["DataSource"]["FileSystemDataSource"]
        writable = source["FileSystemAccessMode"] == "rw"
        if source["FileSystemId"] not in self.registered:
            raise _unable(source, "The file system is not registered on this server (setting file_systems).")
        root, may_write = self.registered[source["FileSystemId"]]
        if writable and not may_write:
            raise _unable(source, "The file system is registered for reading only (ro).")
        folder = root.joinpath(*_parts(source))
        try:
            descriptor = lent.opened(str(folder))
        except OSError as error:
            raise _unable(source, "Please ensure the mount path specified exists on the filesystem.") from error
        try:
            _check(source, os.fstat(descriptor), writable)
        finally:
            os.close(descriptor)
        return Mount(folder, target, writable, lent=True)


def is_one(channel: Mapping[str, Any]) -> bool:
    """Whether a channel's data lie in a file system."""
    return "FileSystemDataSource" in channel["DataSource"]


def _parts(source: Mapping[str, Any]) -> list[str]:
    """DirectoryPath below the registered directory. That of Lustre begins with the file system's mount name (API FileSystemDataSource)."""
    parts = [part for part in source["DirectoryPath"].split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in source["DirectoryPath"]:
        raise _unable(source, "The path leads out of the file system.")
    return parts[1:] if source["FileSystemType"] == LUSTRE else parts


def _check(source: Mapping[str, Any], found: os.stat_result, writable: bool) -> None:
    """The containers' user is nobody's owner here: what it may do must be allowed to everybody, or the folder be its own."""
    if os.geteuid() != 0:
        return
    user, group = JOB_USER
    shift = 6 if found.st_uid == user else 3 if found.st_gid == group else 0
    allowed = (stat.S_IMODE(found.st_mode) >> shift) & 0o7
    if not allowed & 0o5 == 0o5:
        raise _unable(source, f"The user of containers (uid {user}) may not read it.")
    if writable and not allowed & 0o2:
        raise _unable(source, f"The user of containers (uid {user}) may not write to it.")


def _unable(source: Mapping[str, Any], why: str) -> ErrandFailed:
    """The beginning is AWS's, from public reports."""
    path = source["DirectoryPath"]
    return ErrandFailed(f"ClientError: Unable to mount file system: {source['FileSystemId']} directory path: {path}. {why}")
