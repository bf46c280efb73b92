"""The registry's program: Distribution, the reference registry, as distributions package it (Debian: docker-registry)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sagewright.compute.oci.layout import GARBAGE

_NAMES = ("docker-registry", "registry")

REMEDY = "Install the registry for images of your own (apt install docker-registry)."


def find() -> str | None:
    """Its path, or None where it is not installed."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def configuration(root: Path, socket: Path, secret: str) -> str:
    """The text of its configuration file: only on a Unix socket, which only we may open, for the front asks who is there.

    Without a cache: what is removed under its hands (layout.py) must be gone for it, too. JSON is YAML.
    """
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
            "http": {"net": "unix", "addr": str(socket), "relativeurls": True, "secret": secret},
        }
    )


def commands(program: str, root: Path, file: Path) -> list[list[str]]:
    """What to run, the last for good: blobs that nothing names any more are only collected while nobody pushes."""
    collect = [[program, "garbage-collect", str(file)]] if (root / GARBAGE).exists() else []
    return [*collect, [program, "serve", str(file)]]
