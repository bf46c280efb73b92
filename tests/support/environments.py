"""Tiny environments that are built without a network: of nothing, or of a wheel that is made here."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def define(folder: Path, name: str, *requirements: str, imports: tuple[str, ...] = ()) -> Path:
    """Writes a definition; the folder of definitions."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in _document(requirements, imports).items()]
    (folder / f"{name}.toml").write_text("\n".join(lines) + "\n")
    return folder


def wheel(folder: Path, name: str, source: str) -> str:
    """A package of one module; its requirement."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(file, "w") as archive:
        for path, content in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(path, content)
    return f"{name} @ {file.as_uri()}"


def _document(requirements: tuple[str, ...], imports: tuple[str, ...]) -> dict[str, object]:
    return {"python": "", "requirements": list(requirements), "imports": list(imports)}
