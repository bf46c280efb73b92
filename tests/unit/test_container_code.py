"""Source archives are not trusted: nothing leaves the code folder. Feature row G14."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from sagewright_container.code import unpack
from sagewright_container.errors import CodeError


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_files_folders_and_the_executable_bit(tmp_path: Path) -> None:
    script = tarfile.TarInfo("./sub/run.sh")
    script.mode = 0o4755
    plain = tarfile.TarInfo("plain.txt")
    plain.mode = 0o600
    unpack(archive(tmp_path / "a.tar.gz", (script, b"#!/bin/sh"), (plain, b"x")), tmp_path / "code")
    assert (tmp_path / "code/sub/run.sh").read_bytes() == b"#!/bin/sh"
    assert (tmp_path / "code/sub/run.sh").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "code/plain.txt").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("/tmp/outside-of-the-archive"),
        tarfile.TarInfo("a/../../outside"),
        link("out", "/etc", tarfile.SYMTYPE),
        link("out", "../outside", tarfile.LNKTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
        link("disk", "", tarfile.BLKTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type!r}",
)
def test_names_and_kinds_that_leave_the_folder_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with pytest.raises(CodeError):
        unpack(archive(tmp_path / "a.tar.gz", (member, b"")), tmp_path / "code")
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/outside-of-the-archive").exists()


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\x00cut"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(CodeError, match=r"cannot unpack a\.tar\.gz"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "code")
