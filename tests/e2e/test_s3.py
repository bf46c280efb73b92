"""Amazon S3 through the front: the embedded SeaweedFS behind it, boto3 and plain HTTP before it. Feature rows B01, O08."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.front import FrontRig, object_process, settings_in, short_folder

from sagewright.wire.http import Request
from sagewright.wire.sigv4 import sign


@pytest.fixture(scope="module")
def rig() -> Iterator[FrontRig]:
    with short_folder() as folder:
        settings = settings_in(folder)
        with object_process(settings), FrontRig(settings) as started:
            yield started


@pytest.fixture(scope="module")
def s3(rig: FrontRig) -> Iterator[Any]:
    with contextlib.closing(rig.client("s3")) as client:
        yield client


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=name)
    return name


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]["Code"]


def keys(s3: Any, bucket: str, **query: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, **query).get("Contents", [])]


def test_object_round_trip(s3: Any, bucket: str) -> None:
    """PutObject, HeadObject, GetObject: body, metadata, type, ETag."""
    body = os.urandom(100_000)
    put = s3.put_object(Bucket=bucket, Key="a b/ü+%41.bin", Body=body, Metadata={"colour": "blue"})
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    head = s3.head_object(Bucket=bucket, Key="a b/ü+%41.bin")
    assert (head["ContentLength"], head["Metadata"], head["ContentType"]) == (
        100_000,
        {"colour": "blue"},
        "binary/octet-stream",
    )
    got = s3.get_object(Bucket=bucket, Key="a b/ü+%41.bin")
    assert got["Body"].read() == body
    assert got["ResponseMetadata"]["HTTPHeaders"]["server"] == "Sagewright"
    assert got["ResponseMetadata"]["RequestId"]
    assert keys(s3, bucket) == ["a b/ü+%41.bin"]


def test_ranges(s3: Any, bucket: str) -> None:
    body = os.urandom(5_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    for header, expected in (
        ("bytes=0-9", body[:10]),
        ("bytes=-7", body[-7:]),
        ("bytes=4194300-4194310", body[4194300:4194311]),
    ):
        part = s3.get_object(Bucket=bucket, Key="k", Range=header)
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert part["Body"].read() == expected
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="k", Range="bytes=5000000-")) == (416, "InvalidRange")


def test_conditional_requests(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)) == (304, "304")
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="k", IfMatch='"0"')) == (412, "PreconditionFailed")
    assert refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*")) == (412, "PreconditionFailed")


def test_managed_multipart_upload_and_download(s3: Any, bucket: str) -> None:
    """20 MB by boto3's transfer manager: multipart up, ranges down."""
    body = os.urandom(20 * 1024 * 1024)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big")
    sink = io.BytesIO()
    s3.download_fileobj(bucket, "big", sink)
    assert sink.getvalue() == body
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')


def test_multipart_by_hand_and_abort(s3: Any, bucket: str, rig: FrontRig) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="//m")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="//m", PartNumber=1, UploadId=upload, Body=b"hello")
    listed = s3.list_parts(Bucket=bucket, Key="//m", UploadId=upload)
    assert [entry["PartNumber"] for entry in listed["Parts"]] == [1]
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="//m", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert done["Key"] == "//m"
    assert done["Location"].startswith(rig.url)
    assert s3.get_object(Bucket=bucket, Key="//m")["Body"].read() == b"hello"
    other = s3.create_multipart_upload(Bucket=bucket, Key="n")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="n", UploadId=other)
    assert refused(lambda: s3.list_parts(Bucket=bucket, Key="n", UploadId=other))[0] == 404


def test_copy(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="/from//x", Body=b"body", Metadata={"a": "b"})
    copied = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "/from//x"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"body").hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"]) == (b"body", {"a": "b"})


def test_listings(s3: Any, bucket: str) -> None:
    """ListObjects and ListObjectsV2 with prefix, delimiter, pages."""
    for key in ("a/1", "a/2", "ab", "b/c/d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert keys(s3, bucket, Prefix="a") == ["a/1", "a/2", "ab"]
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a/", "b/"]
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket, Prefix="b")["Contents"]] == ["b/c/d"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ["a/1", "a/2", "ab", "b/c/d"]
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ["a/1", "a/2", "ab", "b/c/d"]
    assert bucket in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]


ODD = ["/job/x", "a//b", "a/b", "a/../b", "./c", "//", "/"]


def test_keys_with_empty_and_dot_segments(s3: Any, bucket: str) -> None:
    """S3 keys are plain text; SeaweedFS alone would fold these into one another (clients.md, S3 wire details)."""
    bodies = {key: b"" if key.endswith("/") else key.encode() for key in ODD}  # limits.md: a folder marker has no content
    for key in ODD:
        s3.put_object(Bucket=bucket, Key=key, Body=bodies[key])
    assert sorted(keys(s3, bucket)) == sorted(ODD)
    for key in ODD:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == bodies[key]
    assert keys(s3, bucket, Prefix="/job") == ["/job/x"]
    assert keys(s3, bucket, Prefix="a//") == ["a//b"]
    prefixes = s3.list_objects_v2(Bucket=bucket, Prefix="a/", Delimiter="/")["CommonPrefixes"]
    assert {entry["Prefix"] for entry in prefixes} == {"a//", "a/../"}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert sorted(entry["Key"] for page in pages for entry in page["Contents"]) == sorted(ODD)
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD]})
    assert sorted(entry["Key"] for entry in deleted["Deleted"]) == sorted(ODD)
    assert keys(s3, bucket) == []


def test_folder_markers(s3: Any, bucket: str) -> None:
    """A key that ends with a slash has no content here (limits.md); refused, not lost."""
    s3.put_object(Bucket=bucket, Key="dir/", Body=b"")
    assert keys(s3, bucket) == ["dir/"]
    assert refused(lambda: s3.put_object(Bucket=bucket, Key="dir/", Body=b"x")) == (501, "NotImplemented")


def test_default_encryption_of_a_bucket(s3: Any, bucket: str) -> None:
    def rules(algorithm: str) -> dict[str, Any]:
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]}

    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules("AES256"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    kms = {"Bucket": bucket, "ServerSideEncryptionConfiguration": rules("aws:kms")}
    assert refused(lambda: s3.put_bucket_encryption(**kms)) == (501, "NotImplemented")


def test_delete(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused(lambda: s3.delete_bucket(Bucket=bucket)) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert refused(lambda: s3.head_bucket(Bucket=bucket)) == (404, "404")


def test_missing(s3: Any, bucket: str) -> None:
    """The SDK tests for 404 and "Not Found" on HEAD (clients.md, 6), get_result for NoSuchKey."""
    assert refused(lambda: s3.head_object(Bucket=bucket, Key="none")) == (404, "404")
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="none")) == (404, "NoSuchKey")
    assert refused(lambda: s3.get_object(Bucket="no-such-bucket", Key="none")) == (404, "NoSuchBucket")
    assert refused(lambda: s3.put_object(Bucket="no-such-bucket", Key="none", Body=b"")) == (404, "NoSuchBucket")
    assert refused(lambda: s3.put_object(Bucket="no-such-bucket", Key="none", Body=os.urandom(3_000_000))) == (
        404,
        "NoSuchBucket",
    )
    assert refused(lambda: s3.get_bucket_location(Bucket="no-such-bucket")) == (404, "NoSuchBucket")


def test_create_again(s3: Any, bucket: str, rig: FrontRig) -> None:
    """In us-east-1 creating a bucket again succeeds, elsewhere it is a conflict (API reference, CreateBucket)."""
    assert s3.create_bucket(Bucket=bucket)["Location"] == f"/{bucket}"
    with contextlib.closing(rig.client("s3", region_name="eu-west-1")) as european:
        again = {"Bucket": bucket, "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
        assert refused(lambda: european.create_bucket(**again)) == (409, "BucketAlreadyOwnedByYou")
        assert european.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-west-1"
        assert european.head_bucket(Bucket=bucket)["BucketRegion"] == "eu-west-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_expected_bucket_owner(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="123456789012")
    stranger = {"Bucket": bucket, "ExpectedBucketOwner": "999999999999"}
    assert refused(lambda: s3.put_object(Key="k", Body=b"x", **stranger)) == (403, "AccessDenied")
    assert refused(lambda: s3.head_bucket(**stranger)) == (403, "403")


@pytest.mark.parametrize("key_id", [None, "alias/mine", "arn:aws:kms:us-east-1:123456789012:key/1"])
def test_kms_encryption_as_the_sdk_asks_for_it(s3: Any, bucket: str, key_id: str | None) -> None:
    """Script mode uploads with aws:kms, without a key id (clients.md, 0.3)."""
    asked = {"ServerSideEncryption": "aws:kms", **({"SSEKMSKeyId": key_id} if key_id else {})}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"secret", **asked)
    arn = {None: "alias/aws/s3", "alias/mine": "alias/mine"}.get(key_id, "key/1")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", f"arn:aws:kms:us-east-1:123456789012:{arn}")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"secret"
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"]) == ("aws:kms", f"arn:aws:kms:us-east-1:123456789012:{arn}")
    assert got["Metadata"] == {}


def test_s3_encryption(s3: Any, bucket: str) -> None:
    body = os.urandom(9_000_000)
    assert s3.put_object(Bucket=bucket, Key="k", Body=body, ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    s3.upload_fileobj(io.BytesIO(body), bucket, "m", ExtraArgs={"ServerSideEncryption": "aws:kms"})
    for key in ("k", "m"):
        assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=5242870-5242890")["Body"].read() == body[5242870:5242891]
    assert s3.head_object(Bucket=bucket, Key="m")["ServerSideEncryption"] == "aws:kms"
    assert refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="rot13")) == (
        400,
        "InvalidArgument",
    )


@pytest.mark.parametrize("version", [None, "s3v4"])
def test_presigned_urls(rig: FrontRig, s3: Any, bucket: str, version: str | None) -> None:
    """GET and PUT by a client that knows no AWS; boto3 in us-east-1 still signs URLs with version 2."""
    with contextlib.closing(rig.client("s3", **({"signature_version": version} if version else {}))) as signer:
        put = signer.generate_presigned_url(
            "put_object", Params={"Bucket": bucket, "Key": "/p q", "ContentType": "a/b"}, ExpiresIn=60
        )
        get = signer.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": "/p q", "ResponseContentType": "c/d"}, ExpiresIn=60
        )
        late = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "/p q"}, ExpiresIn=-5)
    upload = urllib.request.Request(put, data=b"presigned", method="PUT", headers={"Content-Type": "a/b"})
    with urllib.request.urlopen(upload) as answer:
        assert answer.status == 200
    assert s3.head_object(Bucket=bucket, Key="/p q")["ContentType"] == "a/b"
    with urllib.request.urlopen(get) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"presigned", "c/d")
    assert b"<Code>SignatureDoesNotMatch</Code>" in failure(get.replace("p%20q", "p%20r"))
    assert b"<Code>A" in failure(late)


def failure(url: str) -> bytes:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    with caught.value:
        assert caught.value.code in (400, 403)
        return caught.value.read()


def test_presigned_urls_with_temporary_keys(rig: FrontRig, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    keys = rig.keyring.mint("123456789012", "arn:aws:iam::123456789012:role/R", "s", 600, time.time())
    with contextlib.closing(rig.client("s3", access_key=keys.access_key, secret_key=keys.secret, token=keys.token)) as signer:
        url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        assert signer.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x"


def signed(rig: FrontRig, method: str, host: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """A request signed over our own signer, sent by http.client."""
    request = Request(method, path, "", {"host": host, **headers}, body)
    connection = http.client.HTTPConnection("127.0.0.1", rig.port)
    with contextlib.closing(connection):
        connection.request(method, path, body, sign(request, rig.keyring.access_key, rig.keyring.secret, "us-east-1", "s3"))
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("domain", ["localhost:8400", "s3.eu-west-1.amazonaws.com", "s3.amazonaws.com"])
def test_virtual_host_style(rig: FrontRig, s3: Any, bucket: str, domain: str) -> None:
    s3.put_object(Bucket=bucket, Key="k/l", Body=b"x")
    assert signed(rig, "GET", f"{bucket}.{domain}", "/k/l", b"", {}) == (200, b"x")
    assert signed(rig, "GET", domain, f"/{bucket}/k/l", b"", {}) == (200, b"x")


def test_wrong_keys(rig: FrontRig, bucket: str) -> None:
    with contextlib.closing(rig.client("s3", secret_key="wrong")) as client:
        assert refused(lambda: client.get_object(Bucket=bucket, Key="k")) == (403, "SignatureDoesNotMatch")
        assert refused(lambda: client.put_object(Bucket=bucket, Key="k", Body=b"x" * 2_000_000)) == (
            403,
            "SignatureDoesNotMatch",
        )
    with contextlib.closing(rig.client("s3", access_key="AKIANOBODY")) as client:
        assert refused(lambda: client.get_object(Bucket=bucket, Key="k")) == (403, "InvalidAccessKeyId")


def test_tagging_and_acl_pass(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
