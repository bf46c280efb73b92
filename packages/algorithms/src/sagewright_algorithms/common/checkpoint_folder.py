"""Where an algorithm leaves what an interrupted job goes on from, and how a file gets there in one piece."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from sagewright_container.layout import Layout


def find(layout: Layout) -> Path | None:
    """By checkpointconfig.json's LocalPath (AWS's default is /opt/ml/checkpoints); None when the job keeps no checkpoints."""
    with suppress(FileNotFoundError):
        local = json.loads((layout.config / "checkpointconfig.json").read_text()).get("LocalPath") or "/opt/ml/checkpoints"
        folder = Path(local)
        if folder.is_relative_to("/opt/ml"):
            folder = layout.root / folder.relative_to("/opt/ml")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    return layout.checkpoints if layout.checkpoints.is_dir() else None


def write_whole(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, never a part."""
    beside = path.with_name(f".{path.name}.writing")
    beside.write_bytes(content)
    beside.replace(path)
