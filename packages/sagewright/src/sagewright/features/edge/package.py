"""What a package for devices holds beside the compiled model: a manifest with the digest of every file, and its signature.

``manifest.json`` names the model, its version and the SHA-256 of every file; ``manifest.sig`` is the HMAC-SHA256 of manifest.json with
a key of the account and region. Devices get the key with GetDeviceRegistration, which only signed requests reach.
``sagewright_container.edge.package`` reads the same format.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from sagewright.base.world import World
from sagewright.objects.s3 import Location

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_PURPOSE = b"edge packages"


def signing_key(master: str, world: World) -> bytes:
    """32 bytes, of one account and region; ``master`` is the data folder's secret."""
    return hmac.digest(master.encode(), b"/".join((_PURPOSE, world.account.encode(), world.region.encode())), "sha256")


def artefact(spec: Mapping[str, Any]) -> Location:
    """``<S3OutputLocation>/<ModelName>-<ModelVersion>.tar.gz``. Raises ValueError."""
    folder = str(spec["OutputConfig"]["S3OutputLocation"]).rstrip("/")
    return Location.parse(f"{folder}/{spec['ModelName']}-{spec['ModelVersion']}.tar.gz")


def seal(folder: Path, spec: Mapping[str, Any], about: Mapping[str, Any], key: bytes) -> str:
    """Writes manifest and signature for what lies in ``folder``; returns the signature. Doing it twice changes nothing.

    ``about``: compiled.json of the artefact.
    """
    for name in (MANIFEST, SIGNATURE):
        (folder / name).unlink(missing_ok=True)
    manifest = {
        "ModelName": spec["ModelName"],
        "ModelVersion": spec["ModelVersion"],
        "CompilationJobName": spec["CompilationJobName"],
        "Framework": about.get("Framework", ""),
        "Target": about.get("Target", ""),
        "Files": {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()},
    }
    text = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    signature = hmac.new(key, text, "sha256").hexdigest()
    (folder / MANIFEST).write_bytes(text)
    (folder / SIGNATURE).write_text(signature)
    return signature


def sha1(file: Path) -> str:
    """The checksum that GetDeployments names (its model has no other kind): against broken transfers, not against forgery."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
