"""A file is written whole or not at all (base/files.py)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sagewright.base import files


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    for content in (b"old", b"new"):
        files.write(file, content)
        assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_private_means_private(tmp_path: Path) -> None:
    files.write(tmp_path / "keys", b"secret", 0o600)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_what_a_dead_writer_left_is_no_hindrance_and_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    (tmp_path / ".record.partial").symlink_to(outside)
    files.write(tmp_path / "record", b"new")
    assert (outside.read_bytes(), (tmp_path / "record").read_bytes()) == (b"untouched", b"new")


def test_who_reads_meanwhile_finds_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "record"
    files.write(file, b"old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.write(file, b"new")
    assert file.read_bytes() == b"old"
