"""The AWS CLI's S3 commands through the front. Feature rows B01, B13."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.front import FrontRig, object_process, settings_in, short_folder

pytestmark = pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")


@pytest.fixture(scope="module")
def rig() -> Iterator[FrontRig]:
    with short_folder() as folder:
        settings = settings_in(folder)
        with object_process(settings), FrontRig(settings) as started:
            yield started


def aws(rig: FrontRig, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_ENDPOINT_URL": rig.url,
        "AWS_ACCESS_KEY_ID": rig.keyring.access_key,
        "AWS_SECRET_ACCESS_KEY": rig.keyring.secret,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    done = subprocess.run(["aws", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_copy_list_sync_remove(rig: FrontRig, tmp_path: Path) -> None:
    """mb, cp (12 MB: multipart), ls, sync both ways, presign, mv, rm, rb."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "big").write_bytes(os.urandom(12_000_000))
    (source / "sub" / "small file").write_bytes(b"small")
    assert "make_bucket: cli-bucket" in aws(rig, "s3", "mb", "s3://cli-bucket")
    aws(rig, "s3", "cp", str(source), "s3://cli-bucket/tree/", "--recursive", "--sse", "aws:kms")
    listing = aws(rig, "s3", "ls", "s3://cli-bucket/tree/")
    assert "PRE sub/" in listing
    assert "12000000 big" in listing
    aws(rig, "s3", "sync", "s3://cli-bucket/tree", str(tmp_path / "back"))
    assert (tmp_path / "back" / "big").read_bytes() == (source / "big").read_bytes()
    assert (tmp_path / "back" / "sub" / "small file").read_bytes() == b"small"
    assert aws(rig, "s3", "sync", str(source), "s3://cli-bucket/tree").strip() == ""
    url = aws(rig, "s3", "presign", "s3://cli-bucket/tree/sub/small file").strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"small"
    aws(rig, "s3", "mv", "s3://cli-bucket/tree/big", "s3://cli-bucket/moved")
    assert "moved" in aws(rig, "s3", "ls", "s3://cli-bucket")
    aws(rig, "s3", "rm", "s3://cli-bucket", "--recursive")
    aws(rig, "s3", "rb", "s3://cli-bucket")
    assert "cli-bucket" not in aws(rig, "s3", "ls")
