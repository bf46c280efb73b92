"""Archives: what goes in comes out, and nothing outside the folder is read or written."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from sagewright.base.archive import pack, unpack

MEGABYTE = 1024 * 1024


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "xgboost-model").write_bytes(b"weights" * 1000)
    (folder / "code" / "inference.py").write_text("print()")
    (folder / "code" / "run.sh").write_text("#!/bin/sh")
    (folder / "code" / "run.sh").chmod(0o755)
    return folder


def craft(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return file


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(content)
    return member, content


def test_what_goes_in_comes_out(tree: Path, tmp_path: Path) -> None:
    pack([tree], tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert tar.getnames() == ["code", "code/inference.py", "code/run.sh", "empty", "xgboost-model"]
    unpack(tmp_path / "model.tar.gz", tmp_path / "again", MEGABYTE)
    assert (tmp_path / "again" / "xgboost-model").read_bytes() == b"weights" * 1000
    assert (tmp_path / "again" / "empty").is_dir()
    assert os.access(tmp_path / "again" / "code" / "run.sh", os.X_OK)


def test_the_same_folder_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    pack([tree], tmp_path / "one.tar.gz")
    pack([tree], tmp_path / "two.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_only_links_that_stay_inside_are_packed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tree / "latest").symlink_to("xgboost-model")
    (tree / "code" / "up").symlink_to("../xgboost-model")
    (tree / "absolute").symlink_to(tmp_path / "secret")
    (tree / "out").symlink_to("../secret")
    (tree / "tricky").symlink_to("code/../../secret")
    os.mkfifo(tree / "pipe")
    pack([tree], tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        names = set(tar.getnames())
    assert {"latest", "code/up"} <= names
    assert not {"absolute", "out", "tricky", "pipe"} & names


def test_links_inside_are_restored(tree: Path, tmp_path: Path) -> None:
    (tree / "latest").symlink_to("xgboost-model")
    pack([tree], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "again", MEGABYTE)
    assert (tmp_path / "again" / "latest").readlink() == Path("xgboost-model")


@pytest.mark.parametrize(
    "members",
    [
        [entry("/etc/evil", content=b"x")],
        [entry("../evil", content=b"x")],
        [entry("a/../../evil", content=b"x")],
        [entry("a" * 300, content=b"x")],
        [entry("device", tarfile.CHRTYPE)],
        [entry("fifo", tarfile.FIFOTYPE)],
        [entry("link", tarfile.SYMTYPE, link="/etc/passwd")],
        [entry("link", tarfile.SYMTYPE, link="../x")],
        [entry("d/link", tarfile.SYMTYPE, link="x/../../../y")],
        [entry("hard", tarfile.LNKTYPE, link="/etc/passwd")],
        [entry("hard", tarfile.LNKTYPE, link="../evil")],
        [entry("hard", tarfile.LNKTYPE, link="later")],
        [entry("a", content=b"x"), entry("a/b", content=b"x")],
        [entry("a/b", content=b"x"), entry("a", content=b"x")],
    ],
)
def test_a_member_that_leaves_the_folder_is_refused(members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "before").write_text("kept")
    file = craft(tmp_path / "evil.tar.gz", *members)
    with pytest.raises(ValueError, match="archive"):
        unpack(file, tmp_path / "model", MEGABYTE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar.gz", "model"]
    assert (tmp_path / "model" / "before").read_text() == "kept"


def test_no_file_is_written_through_a_link(tmp_path: Path) -> None:
    file = craft(tmp_path / "evil.tar.gz", entry("d/x"), entry("l", tarfile.SYMTYPE, link="d"), entry("l/evil", content=b"x"))
    with pytest.raises(ValueError, match="one name for a file and for a folder"):
        unpack(file, tmp_path / "model", MEGABYTE)


def test_hard_links_become_files_of_their_own(tmp_path: Path) -> None:
    file = craft(tmp_path / "a.tar.gz", entry("one", content=b"body"), entry("two", tarfile.LNKTYPE, link="one"))
    unpack(file, tmp_path / "model", MEGABYTE)
    assert (tmp_path / "model" / "two").read_bytes() == b"body"
    assert (tmp_path / "model" / "two").stat().st_nlink == 1


def test_an_archive_over_the_limit_is_refused(tmp_path: Path) -> None:
    file = craft(tmp_path / "bomb.tar.gz", entry("zeros", content=b"\0" * MEGABYTE))
    with pytest.raises(ValueError, match="more than the 1000 bytes allowed"):
        unpack(file, tmp_path / "model", 1000)


def test_a_size_that_is_only_claimed_is_refused_unread(tmp_path: Path) -> None:
    member = tarfile.TarInfo("huge")
    member.size = 1 << 40
    (tmp_path / "claim.tar.gz").write_bytes(gzip.compress(member.tobuf()))
    with pytest.raises(ValueError, match="bytes allowed"):
        unpack(tmp_path / "claim.tar.gz", tmp_path / "model", MEGABYTE)


def test_a_header_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, 64 * MEGABYTE
    (tmp_path / "pax.tar.gz").write_bytes(gzip.compress(member.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 64 * MEGABYTE))
    with pytest.raises(ValueError, match="header of the archive is too large"):
        unpack(tmp_path / "pax.tar.gz", tmp_path / "model", MEGABYTE)


def test_what_is_no_archive_is_refused(tree: Path, tmp_path: Path) -> None:
    pack([tree], tmp_path / "model.tar.gz")
    whole = (tmp_path / "model.tar.gz").read_bytes()
    broken = bytearray(whole)
    broken[len(broken) // 2] ^= 0xFF
    for content in (b"", b"text", whole[: len(whole) // 2], gzip.compress(b"no tar" * 200), bytes(broken)):
        (tmp_path / "x.tar.gz").write_bytes(content)
        with pytest.raises(ValueError, match="gzip-compressed tar"):
            unpack(tmp_path / "x.tar.gz", tmp_path / "model", MEGABYTE)
    assert not (tmp_path / "model.unpacking").exists()


def test_folders_are_packed_into_one(tmp_path: Path) -> None:
    """DG your-algorithms-training-algo-output: what several containers wrote is aggregated; of a clash the first is kept."""
    for host, names in (("one", ("a", "shards/0", "clash/file")), ("two", ("b", "shards/1", "shards/deep/x", "a", "clash"))):
        for name in names:
            file = tmp_path / host / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(host)
    pack([tmp_path / "one", tmp_path / "two"], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "model", MEGABYTE)
    found = {
        path.relative_to(tmp_path / "model").as_posix(): path.read_text()
        for path in (tmp_path / "model").rglob("*")
        if path.is_file()
    }
    assert found == {"a": "one", "b": "two", "clash/file": "one", "shards/0": "one", "shards/1": "two", "shards/deep/x": "two"}
