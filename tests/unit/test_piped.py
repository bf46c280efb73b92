"""Pipe-mode channels on their way in: which objects, in which order, shared out how, and what ends the job. Feature row G05."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.objects import MemoryObjects

from sagewright.objects.piped import PLAN, RECORD_BYTES, download_pipe
from sagewright.objects.s3 import Location, Stored
from sagewright.objects.transfer import Access, Share, TransferError

ACCESS = Access("us-east-1", "arn:aws:iam::123456789012:role/r")


def channel(uri: str, kind: str = "S3Prefix", source: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    found = {"S3DataType": kind, "S3Uri": uri, **(source or {})}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": found}, **changes}


def augmented(*names: str, **changes: Any) -> dict[str, Any]:
    return channel("s3://bk/set.manifest", "AugmentedManifestFile", {"AttributeNames": list(names)}, **changes)


async def plans(objects: MemoryObjects, tmp_path: Path, document: dict[str, Any], hosts: int = 1) -> list[dict[str, Any]]:
    shares = [Share(tmp_path / f"algo-{n}" / "train", tmp_path / f"marks-{n}" / "train") for n in range(hosts)]
    await download_pipe(objects, document, shares, ACCESS)
    return [json.loads((share.folder / PLAN).read_text()) for share in shares]


def streamed(tmp_path: Path, plan: dict[str, Any], host: int = 0) -> list[list[bytes]]:
    folder = tmp_path / f"algo-{host}" / "train"
    return [
        [part["Text"].encode() if "Text" in part else (folder / part["File"]).read_bytes() for part in record]
        for record in plan["Records"]
    ]


def objects_of(**contents: bytes) -> MemoryObjects:
    objects = MemoryObjects("bk")
    for name, content in contents.items():
        objects.put(f"s3://bk/t/{name}", content)
    return objects


async def test_a_prefix_comes_in_key_order(tmp_path: Path) -> None:
    """Keys that could not be paths of files are no trouble: nobody sees them."""
    objects = objects_of(b=b"2", a=b"1")
    for key in ("t/../c", "t/a/b", f"t/{'x' * 300}"):
        objects.put(f"s3://bk/{key}", key[:6].encode())
    [plan] = await plans(objects, tmp_path, channel("s3://bk/t/"))
    keys = [part["Key"] for [part] in plan["Records"]]
    assert keys == sorted(keys)
    assert len(keys) == 5
    assert {name: plan[name] for name in ("Gzip", "RecordIO", "Seed", "Shard")} == {
        "Gzip": False,
        "RecordIO": False,
        "Seed": None,
        "Shard": [0, 1],
    }


async def test_a_manifest_keeps_its_order(tmp_path: Path) -> None:
    """API S3DataSource, ManifestFile."""
    objects = objects_of(a=b"1", b=b"2")
    objects.put("s3://bk/set", json.dumps([{"prefix": "s3://bk/t/"}, "b", "a"]).encode())
    [plan] = await plans(objects, tmp_path, channel("s3://bk/set", "ManifestFile"))
    assert streamed(tmp_path, plan) == [[b"2"], [b"1"]]


async def test_attributes_in_the_order_of_their_names(tmp_path: Path) -> None:
    """DG augmented-manifest: any JSON type, references by ``-ref``, unlisted attributes ignored."""
    objects = objects_of(image=b"jpeg")
    lines = [{"x": "a", "label": 1, "image-ref": "s3://bk/t/image"}, {"image-ref": "s3://bk/t/image", "label": {"k": [True]}}]
    objects.put("s3://bk/set.manifest", b"\n".join(json.dumps(line).encode() for line in lines) + b"\n\n")
    [plan] = await plans(objects, tmp_path, augmented("image-ref", "label", RecordWrapperType="RecordIO"))
    assert streamed(tmp_path, plan) == [[b"jpeg", b"1"], [b"jpeg", b'{"k": [true]}']]
    assert plan["RecordIO"]


async def test_instances_share_the_keys(tmp_path: Path) -> None:
    """API S3DataSource, ShardedByS3Key; with ShuffleConfig each epoch needs all of them."""
    objects = objects_of(a=b"1", b=b"2", c=b"3")
    sharded = {"S3DataDistributionType": "ShardedByS3Key"}
    found = await plans(objects, tmp_path / "plain", channel("s3://bk/t/", source=sharded), 2)
    assert [len(plan["Records"]) for plan in found] == [2, 1]
    shuffled = await plans(objects, tmp_path / "seed", channel("s3://bk/t/", source=sharded, ShuffleConfig={"Seed": 5}), 2)
    assert [(len(plan["Records"]), plan["Shard"], plan["Seed"]) for plan in shuffled] == [(3, [0, 2], 5), (3, [1, 2], 5)]


async def test_what_is_there_stays(tmp_path: Path) -> None:
    """After a restart of the server, objects that came meanwhile change nothing."""
    objects = objects_of(b=b"2")
    document = channel("s3://bk/t/")
    first = await plans(objects, tmp_path, document)
    objects.put("s3://bk/t/a", b"1")
    assert await plans(objects, tmp_path, document) == first


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        (b'{"a-ref": "s3://bk/t/none", "label": 1}', "The augmented manifest names s3://bk/t/none, which cannot be read"),
        (b'{"a-ref": "s3://bk/t/image"}', "The attribute 'label' is not in line 1"),
        (b'{"a-ref": "s3://bk/t/image", "label": 1}\nno json', "Line 2 of the augmented manifest file"),
        (b"[1]", "Line 1 of the augmented manifest file"),
        (b'{"a-ref": 1, "label": 1}', "a-ref is not an S3 URI"),
        (b"\n", "No S3 objects found"),
    ],
)
async def test_bad_augmented_manifests(manifest: bytes, text: str, tmp_path: Path) -> None:
    objects = objects_of(image=b"jpeg")
    objects.put("s3://bk/set.manifest", manifest)
    with pytest.raises(TransferError, match=r"^ClientError: ") as failure:
        await plans(objects, tmp_path, augmented("a-ref", "label"))
    assert text in str(failure.value)


async def test_a_record_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RecordIO keeps a length in 29 bits."""
    objects = objects_of()

    async def listed(location: Location, most: int) -> Any:
        yield Stored(Location("bk", "t/large"), RECORD_BYTES, 0.0)

    monkeypatch.setattr(objects, "list", listed)
    with pytest.raises(TransferError, match="t/large is too large for a RecordIO record"):
        await plans(objects, tmp_path, channel("s3://bk/t/", RecordWrapperType="RecordIO"))
