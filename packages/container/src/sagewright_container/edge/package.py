"""A package of an edge packaging job: unpacked, its signature and the digest of every file checked, before anything of it is used.

The format is that of ``sagewright.features.edge.package``: ``manifest.json`` with the SHA-256 of every file, ``manifest.sig`` with its HMAC.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sagewright_container.edge.failure import EdgeError

_MANIFEST, _SIGNATURE = "manifest.json", "manifest.sig"


@dataclass(frozen=True)
class Package:
    """What was verified, and where it lies."""

    folder: Path
    name: str
    version: str


def open_package(archive: Path, folder: Path, key: bytes) -> Package:
    """Replaces ``folder`` by what a package holds. Raises EdgeError for one that is not what was signed, OSError."""
    partial = folder.with_name(folder.name + ".unpacking")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _extract(archive, partial)
        manifest = _verified(partial, key)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Package(folder, str(manifest["ModelName"]), str(manifest["ModelVersion"]))


def _extract(archive: Path, folder: Path) -> None:
    """Plain files and folders only: a package has no others."""
    left = shutil.disk_usage(folder).free
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or "\0" in member.name or not (member.isreg() or member.isdir()):
                    raise EdgeError(f"{archive.name}: the member {member.name!r} has no place in a package")
                left -= member.size
                if left < 0:
                    raise EdgeError(f"{archive.name}: there is not enough room for it")
                _write(tar, member, folder / path)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise EdgeError(f"{archive.name} cannot be unpacked: {error}") from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member)
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as target:
        shutil.copyfileobj(content, target)


def _verified(folder: Path, key: bytes) -> dict[str, Any]:
    try:
        text, signature = (folder / _MANIFEST).read_bytes(), (folder / _SIGNATURE).read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise EdgeError("the package is not signed") from error
    if not hmac.compare_digest(hmac.new(key, text, "sha256").hexdigest(), signature.strip()):
        raise EdgeError("the package's signature is not that of this account and region")
    manifest: dict[str, Any] = json.loads(text)
    found = {str(path.relative_to(folder)): _digest(path) for path in folder.rglob("*") if path.is_file()}
    signed = {name: digest for name, digest in found.items() if name not in (_MANIFEST, _SIGNATURE)}
    if signed != manifest["Files"]:
        changed = sorted(set(signed.items()) ^ set(manifest["Files"].items()))
        raise EdgeError(f"the package's files are not those that were signed: {changed[0][0]}")
    return manifest


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        for piece in iter(lambda: content.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
