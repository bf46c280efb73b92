"""File systems of the settings: which directory a channel gets, and what is refused in which words. Feature rows B10, B11."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sagewright.features.training.directories import Directories
from sagewright.kernel.errands import ErrandFailed
from sagewright.settings import Settings

FS = "fs-0123456789abcdef0"


def channel(path: str, kind: str = "EFS", mode: str = "ro", name: str = FS) -> dict[str, Any]:
    source = {"FileSystemId": name, "FileSystemType": kind, "DirectoryPath": path, "FileSystemAccessMode": mode}
    return {"ChannelName": "train", "DataSource": {"FileSystemDataSource": source}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data/a/b").mkdir(parents=True)
    for folder in (tmp_path / "data", tmp_path / "data/a", tmp_path / "data/a/b"):
        folder.chmod(0o755)
    (tmp_path / "data/link").symlink_to(tmp_path)
    (tmp_path / "data/file").write_text("x")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("path", "kind", "below"),
    [("/", "EFS", ""), ("/a/b/", "EFS", "a/b"), ("/mnt/a", "FSxLustre", "a"), ("/mnt", "FSxLustre", "")],
)
def test_a_path_is_below_the_directory(path: str, kind: str, below: str, root: Path) -> None:
    """API FileSystemDataSource: that of Lustre begins with the mount name."""
    found = Directories({FS: (root, True)}).mount(channel(path, kind), "/t")
    assert (found.source, found.target, found.writable, found.lent) == (root / below, "/t", False, True)


@pytest.mark.parametrize("path", ["/../x", "/a/../../x", "/link", "/link/x", "/none", "/file"])
def test_nothing_else_is_reached(path: str, root: Path) -> None:
    with pytest.raises(ErrandFailed, match=r"^ClientError: Unable to mount file system: "):
        Directories({FS: (root, True)}).mount(channel(path), "/t")


def test_writing_takes_leave(root: Path) -> None:
    with pytest.raises(ErrandFailed, match="registered for reading only"):
        Directories({FS: (root, False)}).mount(channel("/a", mode="rw"), "/t")
    if os.geteuid() == 0:
        with pytest.raises(ErrandFailed, match="may not write"):
            Directories({FS: (root, True)}).mount(channel("/a", mode="rw"), "/t")
        (root / "a").chmod(0o750)
        with pytest.raises(ErrandFailed, match="may not read"):
            Directories({FS: (root, True)}).mount(channel("/a"), "/t")
    (root / "a").chmod(0o777)
    assert Directories({FS: (root, True)}).mount(channel("/a", mode="rw"), "/t").writable


def test_a_file_system_that_is_not_registered() -> None:
    with pytest.raises(ErrandFailed, match="not registered"):
        Directories({}).mount(channel("/"), "/t")


def test_the_setting(tmp_path: Path) -> None:
    text = f"{FS}={tmp_path},fs-0fedcba9876543210={tmp_path / 'x'}:ro"
    found = Settings.from_env({"SAGEWRIGHT_FILE_SYSTEMS": text}, data=tmp_path).registered_file_systems
    assert found == {FS: (tmp_path.resolve(), True), "fs-0fedcba9876543210": (tmp_path.resolve() / "x", False)}
    for wrong in ("fs-1=/x", f"{FS}", f"{FS}=relative", f"{FS}:/x"):
        with pytest.raises(ValueError, match="file_systems"):
            Settings.from_env({"SAGEWRIGHT_FILE_SYSTEMS": wrong}, data=tmp_path)
