"""An S3 that is not the embedded one, and an embedded one that restarts. Feature row B01."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.front import FrontRig, object_process, settings_in, short_folder

from sagewright.front.objects import ObjectStore
from sagewright.front.process import object_store


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as found:
        yield found


def status(call: Any) -> int:
    try:
        return int(call()["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def test_own_s3(folder: Path) -> None:
    """SAGEWRIGHT_S3_URL: signed anew with its keys and passed through as it is; here it is another Sagewright."""
    theirs = settings_in(folder / "theirs")
    with object_process(theirs), FrontRig(theirs) as other:
        ours = settings_in(
            folder / "ours", s3_url=other.url, s3_access_key=other.keyring.access_key, s3_secret_key=other.keyring.secret
        )
        with FrontRig(ours, objects=own) as rig, contextlib.closing(rig.client("s3")) as s3:
            assert rig.keyring.access_key != other.keyring.access_key
            s3.create_bucket(Bucket="outside")
            body = os.urandom(1_000_000)
            s3.put_object(Bucket="outside", Key="/a//ü +", Body=body, Metadata={"a": "b"}, ServerSideEncryption="aws:kms")
            got = s3.get_object(Bucket="outside", Key="/a//ü +")
            assert (got["Body"].read(), got["Metadata"], got["ServerSideEncryption"]) == (body, {"a": "b"}, "aws:kms")
            assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="outside")["Contents"]] == ["/a//ü +"]
            with contextlib.closing(other.client("s3")) as direct:
                assert direct.get_object(Bucket="outside", Key="/a//ü +")["Body"].read() == body


def own(rig: FrontRig) -> ObjectStore:
    return object_store(rig.settings)


def test_restart_of_the_embedded_server(folder: Path) -> None:
    """503 while it is away, which SDKs retry; then everything is there again."""
    settings = settings_in(folder)
    with FrontRig(settings) as rig, contextlib.closing(rig.client("s3")) as s3:
        assert status(s3.list_buckets) == 503
        with object_process(settings):
            s3.create_bucket(Bucket="stays")
            s3.put_object(Bucket="stays", Key="k", Body=b"x" * 300_000)
        assert status(lambda: s3.put_object(Bucket="stays", Key="l", Body=b"x" * 300_000)) == 503
        with object_process(settings):
            assert s3.get_object(Bucket="stays", Key="k")["Body"].read() == b"x" * 300_000
