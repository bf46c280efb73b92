"""Brings an archive from S3 and unpacks it for a job."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sagewright.base.archive import unpack
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Location, Objects


async def bring(
    objects: Objects, source: Location, archive: Path, target: Path, *, absent: str = "", unreadable: str = ""
) -> None:
    """Into the folder ``target``; ``archive`` is where it lies meanwhile. Can be repeated. Raises ErrandFailed, ConnectionError, OSError.

    ``absent`` and ``unreadable`` begin the FailureReason of an archive that is not there, or that is none.
    """
    await asyncio.to_thread(archive.parent.mkdir, parents=True, exist_ok=True)
    try:
        await objects.download(source, archive)
        await asyncio.to_thread(unpack, archive, target, shutil.disk_usage(archive.parent).free)
    except (FileNotFoundError, PermissionError) as problem:
        raise ErrandFailed(f"ClientError: {absent}{source} is not there or cannot be read with the job's role.") from problem
    except ValueError as problem:
        raise ErrandFailed(f"ClientError: {unreadable}{source} is no archive that can be unpacked: {problem}") from problem
    finally:
        archive.unlink(missing_ok=True)
