"""Transfers: which object becomes which file, what is refused and in which words, and that all of it can be repeated. Feature rows G05, G10."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.objects import MemoryObjects

from sagewright.base import folders
from sagewright.objects import checkpoints, transfer
from sagewright.objects.s3 import Location, Objects, Stored
from sagewright.objects.transfer import (
    Access,
    Share,
    TransferError,
    check_channel,
    download_channel,
    upload_archive,
    upload_folders,
)

ACCESS = Access("us-east-1", "arn:aws:iam::123456789012:role/r")
NO_OBJECTS = (
    'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in the selected '
    'region (us-east-1), that objects exist under that S3 prefix, and that the role "arn:aws:iam::123456789012:role/r" has '
    '"s3:ListBucket" permissions on bucket "{bucket}".'
)


def channel(uri: str, **source: Any) -> dict[str, Any]:
    return {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **source}}}


async def download(objects: Objects, tmp_path: Path, document: dict[str, Any]) -> list[str]:
    return (await download_to_hosts(objects, tmp_path, document, 1))[0]


async def download_to_hosts(objects: Objects, tmp_path: Path, document: dict[str, Any], count: int) -> list[list[str]]:
    shares = [Share(tmp_path / f"algo-{n}" / "train", tmp_path / f"marks-{n}" / "train") for n in range(1, count + 1)]
    await download_channel(objects, document, shares, ACCESS)
    return [[entry.path for entry in folders.files(share.folder)] for share in shares]


@pytest.mark.parametrize(
    ("uri", "keys", "files"),
    [
        ("s3://bk/train", ["train/a.csv", "train/x/b.csv"], ["a.csv", "x/b.csv"]),
        ("s3://bk/train/", ["train/", "train/a.csv"], ["a.csv"]),
        ("s3://bk/data/train.csv", ["data/train.csv"], ["train.csv"]),
        ("s3://bk/data/tr", ["data/train/a.csv", "data/train.csv"], ["train.csv", "train/a.csv"]),
        ("s3://bk", ["a.csv", "x/b.csv"], ["a.csv", "x/b.csv"]),
        ("s3://bk/", ["a.csv"], ["a.csv"]),
        ("s3://bk/train/", ["train//a.csv", "other/b.csv"], ["a.csv"]),
    ],
)
async def test_a_prefix_becomes_files(uri: str, keys: list[str], files: list[str], tmp_path: Path) -> None:
    """API S3DataSource, S3Prefix."""
    objects = MemoryObjects("bk")
    for key in keys:
        objects.put(f"s3://bk/{key}", key.encode())
    assert await download(objects, tmp_path, channel(uri)) == sorted(files)


async def test_hosts_share_the_keys(tmp_path: Path) -> None:
    """API S3DataSource, ShardedByS3Key."""
    objects = MemoryObjects("bk")
    for number in range(5):
        objects.put(f"s3://bk/t/{number}", b"x")
    document = channel("s3://bk/t/", S3DataDistributionType="ShardedByS3Key")
    assert await download_to_hosts(objects, tmp_path / "two", document, 2) == [["0", "2", "4"], ["1", "3"]]
    assert await download_to_hosts(objects, tmp_path / "six", document, 6) == [["0"], ["1"], ["2"], ["3"], ["4"], []]
    assert await download_to_hosts(objects, tmp_path / "all", channel("s3://bk/t/"), 2) == [["0", "1", "2", "3", "4"]] * 2


async def test_a_share_that_is_there_is_not_brought_again(tmp_path: Path) -> None:
    """After a restart of the server only what is missing comes, and each host's share stays its own."""
    objects = MemoryObjects("bk")
    for number in range(4):
        objects.put(f"s3://bk/t/{number}", b"x")
    document = channel("s3://bk/t/", S3DataDistributionType="ShardedByS3Key")
    await download_to_hosts(objects, tmp_path, document, 2)
    (tmp_path / "algo-1" / "train" / "0").unlink()
    (tmp_path / "marks-2" / "train").unlink()
    (tmp_path / "algo-2" / "train" / "1").unlink()
    assert await download_to_hosts(objects, tmp_path, document, 2) == [["2"], ["1", "3"]]


async def test_of_files_with_one_name_the_first_hosts_is_uploaded(tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    for host, names in (("one", ("a", "b/c")), ("two", ("a", "b/d"))):
        for name in names:
            file = tmp_path / host / "model" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(host)
    await upload_folders(objects, [tmp_path / "one", tmp_path / "two"], "model", Location("bk", "out/"))
    found = {key: objects.get(f"s3://bk/{key}") for key in objects.keys("bk")}
    assert found == {"out/a": b"one", "out/b/c": b"one", "out/b/d": b"two"}


async def test_a_manifest_names_the_objects(tmp_path: Path) -> None:
    """API S3DataSource, ManifestFile: the form that the SDK's record_set writes."""
    objects = MemoryObjects("bk", "other")
    objects.put("s3://bk/set.manifest", json.dumps([{"prefix": "s3://other/p/"}, "m_0.pbr", "x/m_1.pbr"]).encode())
    for key in ("m_0.pbr", "x/m_1.pbr", "unused"):
        objects.put(f"s3://other/p/{key}", b"x")
    files = await download(objects, tmp_path, channel("s3://bk/set.manifest", S3DataType="ManifestFile"))
    assert files == ["m_0.pbr", "x/m_1.pbr"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"no json", "is not a manifest file"),
        (b"[]", "is not a manifest file"),
        (b'{"prefix": "s3://bk/"}', "is not a manifest file"),
        (b'["a", "b"]', "is not a manifest file"),
        (b'[{"prefix": "https"}, "a"]', "is not an S3 URI"),
        (b'[{"prefix": "s3://bk/"}, 5]', "names something that is no key"),
        (b'[{"prefix": "s3://bk/"}, "absent"]', "names s3://bk/absent, which cannot be read"),
        (b'[{"prefix": "s3://bk/"}, "../m"]', "cannot be read"),
        (b'[{"prefix": "s3://bk/"}]', "No S3 objects found"),
    ],
)
async def test_a_bad_manifest_is_the_users_error(body: bytes, text: str, tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    objects.put("s3://bk/m", body)
    with pytest.raises(TransferError, match=text):
        await download(objects, tmp_path, channel("s3://bk/m", S3DataType="ManifestFile"))


@pytest.mark.parametrize("uri", ["s3://bk/nothing", "s3://absent/x", "s3://closed/x"])
async def test_no_objects_in_aws_words(uri: str, tmp_path: Path) -> None:
    """algorithms.md 2: the text of CreateTrainingJob for an empty input."""
    objects = MemoryObjects("bk", "closed")
    objects.denied.add("closed")
    text = NO_OBJECTS.format(uri=uri, bucket=Location.parse(uri).bucket)
    with pytest.raises(TransferError) as caught:
        await download(objects, tmp_path, channel(uri))
    assert str(caught.value) == f"ClientError: {text}"
    with pytest.raises(TransferError) as caught:
        await check_channel(objects, channel(uri)["DataSource"]["S3DataSource"], ACCESS)
    assert str(caught.value) == f"ClientError: {text}"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["t/../../evil"], "cannot be the path of a file"),
        (["t/x/../y"], "cannot be the path of a file"),
        (["t/a\0b"], "cannot be the path of a file"),
        (["t/" + "a" * 300], "cannot be the path of a file"),
        (["t/a", "t/a/b"], "both a folder as well as a file"),
        (["t/a/b", "t//a/b"], "both a folder as well as a file"),
    ],
)
async def test_keys_that_are_no_paths(keys: list[str], text: str, tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    for key in keys:
        objects.put(f"s3://bk/{key}", b"x")
    with pytest.raises(TransferError, match=text):
        await download(objects, tmp_path, channel("s3://bk/t/"))
    assert not objects.downloads


async def test_of_a_large_prefix_memory_holds_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G05: any number of keys. The shares are those of the whole list, whatever the parts are."""

    class Counting(MemoryObjects):
        most = 0

        async def download(self, location: Location, file: Path, size: int = 0) -> None:
            self.most = max(self.most, self.listed - len(self.downloads))
            await super().download(location, file, size)

    monkeypatch.setattr(transfer, "BATCH", 10)
    objects, names = Counting("bk"), [f"{number:03}" for number in range(105)]
    for name in names:
        objects.put(f"s3://bk/t/{name}", b"x")
    document = channel("s3://bk/t/", S3DataDistributionType="ShardedByS3Key")
    assert await download_to_hosts(objects, tmp_path, document, 3) == [names[n::3] for n in range(3)]
    assert objects.most <= 10


async def test_a_file_and_a_folder_of_one_name_in_different_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BATCH", 1)
    objects = MemoryObjects("bk")
    for key in ("t/a", "t/a/b/c"):
        objects.put(f"s3://bk/{key}", b"x")
    with pytest.raises(TransferError, match="both a folder as well as a file"):
        await download(objects, tmp_path, channel("s3://bk/t/"))


async def test_augmented_manifests_need_pipe_mode(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="needs Pipe input mode"):
        await download(MemoryObjects("bk"), tmp_path, channel("s3://bk/m", S3DataType="AugmentedManifestFile"))


async def test_a_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    for number in range(30):
        objects.put(f"s3://bk/t/{number:02}", b"x" * number)
    (tmp_path / "algo-1" / "train").mkdir(parents=True)
    (tmp_path / "algo-1" / "train" / "07").write_bytes(b"y" * 7)
    (tmp_path / "algo-1" / "train" / "08").write_bytes(b"short")
    await download(objects, tmp_path, channel("s3://bk/t/"))
    assert sorted(objects.downloads) == [f"t/{number:02}" for number in range(30) if number != 7]
    objects.downloads.clear()
    objects.away = True
    await download(objects, tmp_path, channel("s3://bk/t/"))  # the marker is enough
    assert not objects.downloads


async def test_s3_that_is_away_is_nobodys_fault(tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    objects.away = True
    with pytest.raises(ConnectionError):
        await download(objects, tmp_path, channel("s3://bk/t/"))


async def test_one_error_ends_the_others(tmp_path: Path) -> None:
    class Vanishing(MemoryObjects):
        async def download(self, location: Location, file: Path, size: int = 0) -> None:
            raise FileNotFoundError(location.key)

    objects = Vanishing("bk")
    for number in range(50):
        objects.put(f"s3://bk/t/{number}", b"x")
    with pytest.raises(TransferError, match="Data download failed"):
        await download(objects, tmp_path, channel("s3://bk/t/"))


async def test_more_than_the_disk_holds_is_refused_at_once(tmp_path: Path) -> None:
    class Huge(MemoryObjects):
        async def list(self, prefix: Location, most: int = 1000) -> Any:
            yield Stored(Location("bk", "t/huge"), 1 << 60, 0.0)

    with pytest.raises(TransferError, match="not enough disk space"):
        await download(Huge("bk"), tmp_path, channel("s3://bk/t/"))


async def test_a_folder_goes_up_as_files_and_as_an_archive(tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    (tmp_path / "ml" / "model" / "code").mkdir(parents=True)
    (tmp_path / "ml" / "model" / "weights").write_bytes(b"w")
    (tmp_path / "ml" / "model" / "code" / "x.py").write_bytes(b"c")
    await upload_folders(objects, [tmp_path / "ml"], "model", Location("bk", "out/job/output/model/"))
    await upload_archive(
        objects, [tmp_path / "ml" / "model"], Location("bk", "out/job/output/model.tar.gz"), tmp_path / "s" / "m.tar.gz"
    )
    assert objects.keys("bk") == [
        "out/job/output/model.tar.gz",
        "out/job/output/model/code/x.py",
        "out/job/output/model/weights",
    ]
    assert not (tmp_path / "s" / "m.tar.gz").exists()
    with pytest.raises(TransferError, match="Artifact upload failed:The bucket nowhere does not exist"):
        await upload_folders(objects, [tmp_path / "ml"], "model", Location("nowhere", "x"))


async def test_links_and_other_things_are_not_uploaded(tmp_path: Path) -> None:
    objects = MemoryObjects("bk")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_bytes(b"secret")
    (tmp_path / "ml" / "model").mkdir(parents=True)
    (tmp_path / "ml" / "model" / "link").symlink_to(tmp_path / "secret" / "key")
    (tmp_path / "ml" / "model" / "folder").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "ml" / "model" / "pipe")
    (tmp_path / "ml" / "output").symlink_to(tmp_path / "secret")
    await upload_folders(objects, [tmp_path / "ml"], "model", Location("bk", "m"))
    await upload_folders(objects, [tmp_path / "ml"], "output", Location("bk", "o"))
    assert objects.keys("bk") == []
    assert folders.read_start(tmp_path / "ml", "output/key", 10) == ""
    assert folders.read_start(tmp_path / "ml", "model/link", 10) == ""
    assert not folders.is_real(tmp_path / "ml", "output")


class TestCheckpoints:
    """DG model-checkpoints: restored at start, uploaded while running, deletions mirrored."""

    async def push(self, objects: Objects, tmp_path: Path) -> None:
        await checkpoints.push(objects, "s3://bk/ck", tmp_path / "ml", "checkpoints", tmp_path / "ledger")

    async def restore(self, objects: Objects, tmp_path: Path) -> Path:
        folder = tmp_path / "ml" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        await checkpoints.restore(objects, "s3://bk/ck", tmp_path / "ml", "checkpoints", tmp_path / "ledger", ACCESS)
        return folder

    async def test_both_ways(self, tmp_path: Path) -> None:
        objects = MemoryObjects("bk")
        objects.put("s3://bk/ck/1.pt", b"one")
        objects.put("s3://bk/ckother", b"not ours")
        folder = await self.restore(objects, tmp_path)
        assert (folder / "1.pt").read_bytes() == b"one"
        (folder / "2.pt").write_bytes(b"two")
        objects.put("s3://bk/ck/theirs", b"added meanwhile")
        await self.push(objects, tmp_path)
        assert objects.keys("bk") == ["ck/1.pt", "ck/2.pt", "ck/theirs", "ckother"]
        (folder / "1.pt").unlink()
        (folder / "2.pt").write_bytes(b"two again")
        await self.push(objects, tmp_path)
        assert objects.keys("bk") == ["ck/2.pt", "ck/theirs", "ckother"]
        assert objects.get("s3://bk/ck/2.pt") == b"two again"

    async def test_only_what_changed_goes_up(self, tmp_path: Path) -> None:
        objects = MemoryObjects("bk")
        objects.put("s3://bk/ck/1.pt", b"one")
        await self.restore(objects, tmp_path)
        objects.put("s3://bk/ck/1.pt", b"changed by others")
        await self.push(objects, tmp_path)
        await self.restore(objects, tmp_path)
        assert objects.get("s3://bk/ck/1.pt") == b"changed by others"

    async def test_an_empty_prefix_is_fine_and_a_missing_bucket_is_not(self, tmp_path: Path) -> None:
        folder = await self.restore(MemoryObjects("bk"), tmp_path / "x")
        assert list(folder.iterdir()) == []
        with pytest.raises(TransferError):
            await self.restore(MemoryObjects("other"), tmp_path / "y")
