"""Data capture: what a front keeps, the spool between front and control, and the objects in S3 (feature N01; contracts.md 2.N)."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from support.objects import MemoryObjects

from sagewright.base.clock import SystemClock
from sagewright.compute.replica import Answer
from sagewright.features.capture import delivery
from sagewright.features.capture.delivery import Delivery
from sagewright.front.capture import Capture, CapturePlan
from sagewright.objects.s3 import Location
from sagewright.signals.exchanges import CLOSED, Source, read
from sagewright.store.database import Store

ENDPOINT = "123456789012/eu-west-1/e"
CONFIG: dict[str, Any] = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/captured/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}
CSV = {"content_type": "text/csv"}
ANSWER = Answer(200, {"content-type": "application/json"}, b'{"a":1}')


class Told:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


def capture(folder: Path, **changes: Any) -> Capture:
    return Capture(folder / "spool", Told(), period=0.01, **changes)


def taken(
    kept: Capture, config: dict[str, Any] = CONFIG, body: bytes = b"1,2", answer: Answer = ANSWER, **headers: str
) -> None:
    kept.take(ENDPOINT, "v", CapturePlan(config), {**CSV, **headers}, body, answer)


async def spooled(folder: Path, kept: Capture) -> list[Path]:
    kept.start()
    await kept.close()
    return sorted((folder / "spool").glob(f"*{CLOSED}")) if (folder / "spool").exists() else []


async def records(folder: Path, objects: MemoryObjects) -> list[dict[str, Any]]:
    store = await Store.open(f"sqlite:///{folder / 'rows.db'}", SystemClock())
    try:
        await Delivery(store, objects, folder / "spool").deliver()
    finally:
        await store.close()
    found = [stored async for stored in objects.list(Location("bucket", "captured/"))]
    return [json.loads(line) for stored in found for line in (await objects.read(stored.location)).splitlines()]


async def test_a_record_is_what_a_monitor_reads(tmp_path: Path) -> None:
    """DG:model-monitor-data-capture-endpoint: encodings by content type, event metadata, the place in S3."""
    objects = MemoryObjects("bucket")
    kept = capture(tmp_path)
    taken(kept, inference_id="mine", custom_attributes="trace=1")
    (file,) = await spooled(tmp_path, kept)
    (record,) = await records(tmp_path, objects)
    assert record["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
        "endpointOutput": {
            "observedContentType": "application/json",
            "mode": "OUTPUT",
            "data": '{"a":1}',
            "encoding": "JSON",
        },
    }
    metadata = record["eventMetadata"]
    assert (metadata["inferenceId"], metadata["customAttributes"], record["eventVersion"]) == ("mine", ["trace=1"], "0")
    assert len(metadata["eventId"]) == 36
    assert metadata["inferenceTime"].endswith("Z")
    ((location, _),) = [(stored.location, 0) async for stored in objects.list(Location("bucket", ""))]
    assert location.key.startswith(time.strftime("captured/e/v/%Y/%m/%d/", time.gmtime()))
    assert location.key.endswith(f"{file.stem}.jsonl")
    assert not file.exists()


@pytest.mark.parametrize(
    ("headers", "body", "encoding"),
    [
        ({}, b"1,2", "BASE64"),
        ({"CsvContentTypes": ["TEXT/CSV"]}, b"1,2", "CSV"),
        ({"JsonContentTypes": ["text/csv"]}, b"1,2", "JSON"),
        ({"CsvContentTypes": ["text/csv"]}, b"\xff\xfe", "BASE64"),
    ],
)
async def test_what_is_not_named_is_base64(tmp_path: Path, headers: dict[str, Any], body: bytes, encoding: str) -> None:
    """API CaptureContentTypeHeader; a body that is no text is kept whatever its type says."""
    kept = capture(tmp_path)
    taken(kept, {**CONFIG, "CaptureContentTypeHeader": headers}, body, content_type="text/csv; charset=utf-8")
    await spooled(tmp_path, kept)
    (record,) = await records(tmp_path, MemoryObjects("bucket"))
    said = record["captureData"]["endpointInput"]
    assert said["encoding"] == encoding
    data = base64.b64decode(said["data"]) if encoding == "BASE64" else said["data"].encode()
    assert data == body


@pytest.mark.parametrize(
    ("modes", "members"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
async def test_only_what_is_asked_for_is_kept(tmp_path: Path, modes: list[str], members: set[str]) -> None:
    """API CaptureOption."""
    kept = capture(tmp_path)
    taken(kept, {**CONFIG, "CaptureOptions": [{"CaptureMode": mode} for mode in modes]})
    await spooled(tmp_path, kept)
    (record,) = await records(tmp_path, MemoryObjects("bucket"))
    assert set(record["captureData"]) == members


async def test_the_sample_has_its_share(tmp_path: Path) -> None:
    """API DataCaptureConfig, InitialSamplingPercentage."""
    kept = capture(tmp_path)
    for _ in range(2000):
        taken(kept, {**CONFIG, "InitialSamplingPercentage": 25})
    (file,) = await spooled(tmp_path, kept)
    _, exchanges = read(file) or pytest.fail("nothing was written")
    assert 400 < len(exchanges) < 600


async def test_a_full_memory_drops_and_counts(tmp_path: Path) -> None:
    """Issue text of data capture: back-pressure that drops rather than slows; the next file tells how many."""
    kept = capture(tmp_path, memory=10_000)
    for _ in range(20):
        taken(kept, body=b"x" * 1000)
    assert 10 < kept.dropped[ENDPOINT, "v"] < 15
    dropped = kept.dropped[ENDPOINT, "v"]
    (file,) = await spooled(tmp_path, kept)
    source, exchanges = read(file) or pytest.fail("nothing was written")
    assert (source.dropped, len(exchanges)) == (dropped, 20 - dropped)


async def test_a_full_spool_drops_and_counts(tmp_path: Path) -> None:
    """Control is away for long: the disk is bounded, too."""
    kept = capture(tmp_path, disk=0)
    (tmp_path / "spool").mkdir()
    taken(kept)
    assert await spooled(tmp_path, kept) == []
    assert kept.dropped == {(ENDPOINT, "v"): 1}


async def test_a_change_of_the_configuration_begins_another_file(tmp_path: Path) -> None:
    """UpdateEndpoint: what was captured before goes where it was to go then."""
    kept = capture(tmp_path)
    taken(kept)
    taken(kept, {**CONFIG, "DestinationS3Uri": "s3://bucket/elsewhere"})
    files = await spooled(tmp_path, kept)
    sources = [(read(file) or pytest.fail("nothing"))[0] for file in files]
    assert {source.config["DestinationS3Uri"] for source in sources} == {"s3://bucket/captured/", "s3://bucket/elsewhere"}


async def test_a_torn_end_costs_the_torn_exchange(tmp_path: Path) -> None:
    """kill -9 of a front in the middle of a write."""
    kept = capture(tmp_path)
    for body in (b"first", b"second"):
        taken(kept, body=body)
    (file,) = await spooled(tmp_path, kept)
    file.write_bytes(file.read_bytes()[:-1])
    (record,) = await records(tmp_path, MemoryObjects("bucket"))
    assert record["captureData"]["endpointInput"]["data"] == "first"


async def test_what_a_dead_front_left_is_carried(tmp_path: Path) -> None:
    """A file that nobody locks and nobody has written to for a minute; one that is locked is left alone."""
    kept = capture(tmp_path)
    taken(kept)
    (file,) = await spooled(tmp_path, kept)
    orphan = file.rename(file.with_suffix(".open"))
    assert await records(tmp_path, MemoryObjects("bucket")) == []
    old = time.time() - 2 * delivery.ORPHANED_SECONDS
    os.utime(orphan, (old, old))
    with orphan.open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        assert await records(tmp_path, MemoryObjects("bucket")) == []
    assert len(await records(tmp_path, MemoryObjects("bucket"))) == 1


async def test_carrying_twice_changes_nothing(tmp_path: Path) -> None:
    """A control that was killed between writing and deleting."""
    objects = MemoryObjects("bucket")
    kept = capture(tmp_path)
    taken(kept)
    (file,) = await spooled(tmp_path, kept)
    content = file.read_bytes()
    before = await records(tmp_path, objects)
    file.write_bytes(content)
    assert await records(tmp_path, objects) == before


async def test_a_bucket_that_is_not_there_keeps_the_file(tmp_path: Path) -> None:
    kept = capture(tmp_path)
    taken(kept)
    (file,) = await spooled(tmp_path, kept)
    objects = MemoryObjects("bucket")

    async def refuse(location: Location, body: bytes) -> None:
        raise FileNotFoundError(f"{location} does not exist")

    write, objects.write = objects.write, refuse  # type: ignore[method-assign]
    assert await records(tmp_path, objects) == []
    assert file.exists()
    objects.write = write  # type: ignore[method-assign]
    assert len(await records(tmp_path, objects)) == 1


def test_a_file_without_its_first_line_is_nothing(tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    torn.write_bytes(Source(ENDPOINT, "v", CONFIG).line()[:20])
    assert read(torn) is None


async def test_a_streamed_answer_is_one_record(tmp_path: Path) -> None:
    """InvokeEndpointWithResponseStream: the parts of the answer together, once it has come to its end."""
    objects = MemoryObjects("bucket")
    kept = capture(tmp_path)
    for parts, whole in (([b"a", b"b", b"c"], True), ([b"half"], False)):
        gathered = kept.gather(ENDPOINT, "v", CapturePlan(CONFIG))
        assert gathered is not None
        for part in parts:
            gathered.add(part)
        gathered.end(CSV, b"1,2", {"content-type": "text/csv"}, whole=whole)
    assert kept.gather(ENDPOINT, "v", CapturePlan({**CONFIG, "InitialSamplingPercentage": 0})) is None
    await spooled(tmp_path, kept)
    (record,) = await records(tmp_path, objects)
    assert record["captureData"]["endpointInput"]["data"] == "1,2"
    assert record["captureData"]["endpointOutput"]["data"] == "abc"


async def test_a_streamed_answer_without_room_is_dropped_and_counted(tmp_path: Path) -> None:
    """What is on its way counts against the memory, too, and gives it back."""
    kept = capture(tmp_path, memory=2_000)
    large, small = (kept.gather(ENDPOINT, "v", CapturePlan(CONFIG)) for _ in range(2))
    assert large is not None
    assert small is not None
    large.add(b"x" * 1_500)
    small.add(b"x" * 400)
    large.add(b"x" * 1_500)
    large.end(CSV, b"", {}, whole=True)
    small.end(CSV, b"", {}, whole=True)
    assert kept.dropped == {(ENDPOINT, "v"): 1}
    assert len(await spooled(tmp_path, kept)) == 1
