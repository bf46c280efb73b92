"""Brings a model to where its container looks for it: /opt/ml/model, and a user's code archive beside it.

Everything comes from users: archives are unpacked by base.archive, keys become paths by objects.transfer.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sagewright.base.archive import unpack
from sagewright.base.threads import to_its_end
from sagewright.compute.images import resolve
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.patience import patiently
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import Access, TransferError, fetch, select
from sagewright.serving.definition import holds_many

CODE = "/opt/ml/code/sourcedir.tar.gz"
"""Where a container finds the archive that SAGEMAKER_SUBMIT_DIRECTORY named in S3; the toolkit unpacks it."""
ADDITIONAL = "additional-model-data-sources"
"""Below /opt/ml: a folder for each additional source (API AdditionalModelDataSource)."""
SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"


async def fetch_model(objects: Objects, container: Mapping[str, Any], ml: Path, access: Access, timeout: float) -> None:
    """Fills ``ml/model`` (and ``ml/code``) for a ContainerDefinition. Raises ErrandFailed with AWS's words.

    While S3 cannot be reached it is tried again until ``timeout`` (seconds) is over.
    """
    try:
        async with asyncio.timeout(timeout):
            await patiently(lambda: _model(objects, container, ml, access))
            for additional in container.get("AdditionalModelDataSources", ()):
                await _additional(objects, additional, ml, access)
            await patiently(lambda: _code(objects, container, ml))
    except TimeoutError as late:
        raise ErrandFailed(f"The model data could not be downloaded within {timeout:.0f} seconds.") from late


def code_archive(container: Mapping[str, Any]) -> Location | None:
    """The code archive that the container's environment names in S3; an image of one's own fetches it itself."""
    if resolve(str(container.get("Image", ""))).kind == "own":
        return None
    text = str(container.get("Environment", {}).get(SUBMIT_DIRECTORY, ""))
    return Location.parse(text) if text.startswith("s3://") else None


async def fetch_adapter(objects: Objects, url: str, folder: Path, timeout: float) -> None:
    """Unpacks an adapter's archive into ``folder``, all of it or nothing. Raises ErrandFailed with AWS's words."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        async with asyncio.timeout(timeout):
            await patiently(lambda: _archive(objects, url, folder))
    except TimeoutError as late:
        raise ErrandFailed(f"The adapter could not be downloaded within {timeout:.0f} seconds.") from late
    await asyncio.to_thread(_readable, folder)


def _readable(folder: Path) -> None:
    """The container's user is another."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


async def _model(objects: Objects, container: Mapping[str, Any], ml: Path, access: Access) -> None:
    (ml / "model").mkdir(parents=True, exist_ok=True)
    if holds_many(container):  # its models come one by one, when they are asked for
        return
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None and "ModelDataUrl" in container:
        source = {"S3Uri": container["ModelDataUrl"], "S3DataType": "S3Object", "CompressionType": "Gzip"}
    if source is not None:
        await _data(objects, source, ml / "model", access)


async def _additional(objects: Objects, additional: Mapping[str, Any], ml: Path, access: Access) -> None:
    """API AdditionalModelDataSource: its channel is a folder of /opt/ml/additional-model-data-sources; adapters and draft models come so."""
    if not additional["ChannelName"].strip("."):  # the model's pattern lets . and .. pass
        raise ErrandFailed(f'"{additional["ChannelName"]}" is not a name for a folder of additional model data.')
    folder = ml / ADDITIONAL / additional["ChannelName"]
    folder.mkdir(parents=True, exist_ok=True)
    await patiently(lambda: _data(objects, additional["S3DataSource"], folder, access))


async def _data(objects: Objects, source: Mapping[str, Any], folder: Path, access: Access) -> None:
    """What an S3ModelDataSource names, in ``folder``, which is there."""
    if source["CompressionType"] == "Gzip":
        await _archive(objects, source["S3Uri"], folder)
    elif source["S3DataType"] == "S3Object":
        location = _location(source["S3Uri"])
        await _download(objects, location, folder / PurePosixPath(location.key).name)
    else:
        await _prefix(objects, source, folder, access)


async def _archive(objects: Objects, uri: str, folder: Path) -> None:
    file = folder.with_name(f"{folder.name}.tar.gz")
    await _download(objects, _location(uri), file)
    try:
        await to_its_end(unpack, file, folder, shutil.disk_usage(folder.parent).free)
    except ValueError as problem:
        raise ErrandFailed(
            f'Failed to extract model data archive for container "container_1" from URL "{uri}". '
            f"Please ensure that the object located at the URL is a valid tar.gz archive: {problem}."
        ) from problem
    finally:
        file.unlink(missing_ok=True)


async def _prefix(objects: Objects, source: Mapping[str, Any], folder: Path, access: Access) -> None:
    try:
        items = await select(objects, {"S3Uri": source["S3Uri"], "S3DataType": "S3Prefix"}, access)
        await fetch(objects, items, folder)
    except TransferError as problem:
        raise ErrandFailed(_not_there(source["S3Uri"])) from problem


async def _code(objects: Objects, container: Mapping[str, Any], ml: Path) -> None:
    location = code_archive(container)
    if location is not None:
        file = ml / "code" / "sourcedir.tar.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        await _download(objects, location, file)


async def _download(objects: Objects, location: Location, file: Path) -> None:
    try:
        await objects.download(location, file)
    except (FileNotFoundError, PermissionError) as problem:
        raise ErrandFailed(_not_there(f"s3://{location.bucket}/{location.key}")) from problem


def _location(uri: str) -> Location:
    try:
        return Location.parse(uri)
    except ValueError as problem:
        raise ErrandFailed(_not_there(uri)) from problem


def _not_there(uri: str) -> str:
    return (
        f'Failed to download model data for container "container_1" from URL: "{uri}". Please ensure that there is an object '
        "located at the URL and that the role passed to CreateModel has permissions to download the object."
    )
