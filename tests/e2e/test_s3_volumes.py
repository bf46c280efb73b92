"""Long ranges, whose bytes come from the volumes behind the embedded S3: they are those of one object, or none. Feature row B01."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from support.front import FrontRig, s3_front

from sagewright.objects.pieces import PieceParts
from sagewright.objects.volumes import Version, Volumes

MB = 1 << 20
SIZE = 20 * MB
BUCKET = "volumes"


@pytest.fixture(scope="module")
def rig() -> Iterator[FrontRig]:
    with s3_front(BUCKET) as started:
        yield started


@pytest.fixture
def s3(rig: FrontRig) -> Iterator[Any]:
    with contextlib.closing(rig.client("s3")) as client:
        yield client


@pytest.fixture
def from_volumes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each long range whether it came from the volumes."""
    told: list[bool] = []
    read = Volumes.read

    async def spied(self: Volumes, version: Version, start: int, stop: int) -> PieceParts | None:
        parts = await read(self, version, start, stop)
        told.append(parts is not None)
        return parts

    monkeypatch.setattr(Volumes, "read", spied)
    return told


def put(s3: Any, key: str, body: bytes) -> None:
    parts = TransferConfig(multipart_threshold=5 * MB, multipart_chunksize=5 * MB)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, key, Config=parts)


def test_ranges_of_an_object_in_parts(s3: Any, from_volumes: list[bool]) -> None:
    body = os.urandom(SIZE)
    put(s3, "a b/ü", body)
    whole = s3.head_object(Bucket=BUCKET, Key="a b/ü")
    for start, stop in ((0, SIZE), (1, 2 * MB), (5 * MB - 1, 9 * MB), (4 * MB, 8 * MB), (SIZE - 2 * MB, SIZE + MB)):
        got = s3.get_object(Bucket=BUCKET, Key="a b/ü", Range=f"bytes={start}-{stop - 1}", IfMatch=whole["ETag"])
        assert got["Body"].read() == body[start:stop]
        assert got["ContentRange"] == f"bytes {start}-{min(stop, SIZE) - 1}/{SIZE}"
        assert (got["ETag"], got["LastModified"], got["ContentType"], got["ResponseMetadata"]["HTTPStatusCode"]) == (
            (whole["ETag"], whole["LastModified"], whole["ContentType"], 206)
        )
    assert from_volumes == [True] * 5


def test_refusals_are_those_of_the_gateway(s3: Any, from_volumes: list[bool]) -> None:
    put(s3, "there", os.urandom(6 * MB))
    cases: list[tuple[str, dict[str, str]]] = [
        ("404", {"Key": "absent"}),
        ("412", {"Key": "there", "IfMatch": '"other"'}),
        ("416", {"Key": "there", "Range": f"bytes={9 * MB}-{19 * MB}"}),
    ]
    for status, case in cases:
        with pytest.raises(ClientError) as refused:
            s3.get_object(**{"Bucket": BUCKET, "Range": f"bytes=0-{2 * MB}"} | case)
        assert str(refused.value.response["ResponseMetadata"]["HTTPStatusCode"]) == status
    assert from_volumes == []


def test_what_does_not_lie_there_as_it_is(s3: Any, from_volumes: list[bool]) -> None:
    """Text that SeaweedFS compresses, and what it encrypts."""
    text = b"".join(b"line %d\n" % number for number in range(400_000))
    s3.put_object(Bucket=BUCKET, Key="text.txt", Body=text, ContentType="text/plain")
    s3.put_object(Bucket=BUCKET, Key="secret", Body=text, ServerSideEncryption="AES256", ContentType="application/x-a")
    for key in ("text.txt", "secret"):
        got = s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes=10-{2 * MB}")
        assert got["Body"].read() == text[10 : 2 * MB + 1]
    assert from_volumes == [False]


@pytest.mark.parametrize("end", ["replaced", "deleted"])
def test_an_object_that_changes_is_never_mixed(s3: Any, from_volumes: list[bool], end: str) -> None:
    """Whoever is reading gets all of the old version or less; whoever asks then, the new one."""
    old, new = os.urandom(SIZE), os.urandom(SIZE)
    put(s3, end, old)
    wanted = {"Bucket": BUCKET, "Key": end, "Range": f"bytes={MB}-{SIZE - 1}"}
    reading = s3.get_object(**wanted)["Body"]
    got = reading.read(MB)
    if end == "replaced":
        put(s3, end, new)
    else:
        s3.delete_object(Bucket=BUCKET, Key=end)
    with contextlib.suppress(BotoCoreError):
        while piece := reading.read(MB):
            got += piece
    reading.close()
    assert old[MB:].startswith(got)
    if end == "replaced":
        assert s3.get_object(**wanted)["Body"].read() == new[MB:]
        assert from_volumes == [True, True]
    else:
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(**wanted)


def test_chunks_that_are_gone_before_the_first_byte(s3: Any, from_volumes: list[bool]) -> None:
    """The same bytes written again lie elsewhere: the list that is remembered is of no use, and nobody sees it."""
    body = os.urandom(6 * MB)
    for _ in range(3):
        put(s3, "again", body)
        assert s3.get_object(Bucket=BUCKET, Key="again", Range=f"bytes=0-{SIZE}")["Body"].read() == body
    assert from_volumes[0]
