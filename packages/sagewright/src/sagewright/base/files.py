"""Writes a file whole or not at all: who reads it, or starts after a crash, finds the old content or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def write(file: Path, content: bytes, mode: int = 0o666) -> None:
    """By rename. ``mode`` as os.open takes it: 0o600 for what nobody else may read. One writer at a time."""
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)  # of a writer that died
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)
    partial.replace(file)
