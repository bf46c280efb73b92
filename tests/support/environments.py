"""Tiny environments that are built without a network: of nothing, or of a wheel that is made here."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def define(folder: Path, name: str, *requirements: str, imports: tuple[str, ...] = (), otherwise: str = "") -> Path:
    """Writes a definition; the folder of definitions."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in _document(requirements, imports, otherwise).items()]
    (folder / f"{name}.toml").write_text("\n".join(lines) + "\n")
    return folder


def wheel(folder: Path, name: str, source: str) -> str:
    """A package of one module; its requirement."""
    return f"{name} @ {package(folder, name, source, '1.0').as_uri()}"


def package(folder: Path, name: str, source: str, version: str, requires: str = "") -> Path:
    """The wheel of a package of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": source,
        f"{about}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(file, "w") as archive:
        for path, content in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(path, content)
    return file


def _document(requirements: tuple[str, ...], imports: tuple[str, ...], otherwise: str) -> dict[str, object]:
    return {"python": "", "requirements": list(requirements), "imports": list(imports), "otherwise": otherwise}
