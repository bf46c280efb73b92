"""The user's code: unpacked from the archive that was placed beside the job.

The server fetches ``sagemaker_submit_directory`` (an s3 URI) and places it as ``sourcedir.tar.gz``: in input/config for
training, in code/ for serving. A folder inside the container is used where it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tarfile
from pathlib import Path

from sagewright_container.errors import CodeError
from sagewright_container.layout import Layout
from sagewright_container.python_path import add_to_path

ARCHIVE = "sourcedir.tar.gz"


def prepare(layout: Layout, source: str) -> Path:
    """The folder of the user's code. ``source``: the submit directory (s3 URI or a path in the container). Raises CodeError."""
    for archive in (layout.config / ARCHIVE, layout.code / ARCHIVE):
        if archive.is_file():
            unpack(archive, layout.code)
            return layout.code
    if source.startswith("s3://"):
        raise CodeError(f"the source archive {source} was not placed in the container")
    if not source:
        return layout.code
    return _local(layout, source)


def make_importable(code: Path) -> None:
    """Puts the user's code on the path, before what its requirements.txt brings. Raises CodeError."""
    if (code / "requirements.txt").is_file():
        importlib.import_module("sagewright_container.requirements").install(code)
    if (code / "lib").is_dir():  # where the SDK puts ``dependencies=`` when it repacks a model archive
        add_to_path(code / "lib")
    add_to_path(code)
    for folder in _compatible():
        sys.path.append(folder)
        os.environ["PYTHONPATH"] += os.pathsep + folder


def _compatible() -> list[str]:
    """The folders with modules of AWS's toolkits: this package's, and the image's algorithm's where it has any."""
    algorithm = os.environ.get("SAGEWRIGHT_ALGORITHM", "").replace("-", "_")
    names = ["sagewright_container.compatible"]
    if algorithm.isidentifier() and importlib.util.find_spec(f"sagewright_algorithms.{algorithm}") is not None:
        names.append(f"sagewright_algorithms.{algorithm}.compatible")
    specs = [importlib.util.find_spec(name) for name in names]
    return [folder for spec in specs if spec is not None for folder in spec.submodule_search_locations or ()]


def unpack(archive: Path, target: Path) -> None:
    """Files and folders below ``target`` only: no links, no devices, no absolute or climbing names. Raises CodeError."""
    target.mkdir(parents=True, exist_ok=True)
    root = target.resolve()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _check(member, root)
                if member.isfile() or member.isdir():
                    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                    tar.extract(member, root, set_attrs=False)
                    (root / member.name).chmod(member.mode)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CodeError(f"cannot unpack {archive.name}: {error}") from error


def _check(member: tarfile.TarInfo, root: Path) -> None:
    destination = (root / member.name).resolve()
    if destination != root and root not in destination.parents:
        raise CodeError(f"unsafe name in the source archive: {member.name}")
    if not (member.isfile() or member.isdir()):
        raise CodeError(f"the source archive holds {member.name}, which is neither a file nor a folder")


def _local(layout: Layout, source: str) -> Path:
    """A path below /opt/ml (wherever that is here), or an archive there."""
    path = Path(source.removeprefix("file://"))
    if path.is_relative_to("/opt/ml"):
        path = layout.root / path.relative_to("/opt/ml")
    if path.is_file():
        unpack(path, layout.code)
        return layout.code
    if not path.is_dir():
        raise CodeError(f"the source directory {source} does not exist")
    return path
