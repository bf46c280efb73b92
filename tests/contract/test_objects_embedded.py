"""The embedded S3 server: starts, restarts with its data, cleans up after itself and after a crash, keeps its doors shut. Feature row B01."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from support.front import object_process, settings_in, short_folder

from sagewright.objects.embedded import Embedded
from sagewright.objects.moat import cross, cross_async
from sagewright.objects.upstream import RECORD, Upstream


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as found:
        yield found


def embedded(folder: Path, *, moat: bool = True) -> Embedded:
    return Embedded(folder / "objects", folder / "run", moat=moat)


def leftovers(folder: Path) -> list[str]:
    """What is left in /tmp of the server that used this folder's ports."""
    ports = json.loads((folder / "objects" / "ports.json").read_text()).values()
    return [str(path) for port in ports for path in Path("/tmp").glob(f"seaweedfs-*{port % 10_000}.sock")]


async def test_start_stop_and_start_again(folder: Path) -> None:
    """The data, the keys and the ports stay; nothing runs and nothing lies about in between."""
    server = embedded(folder)
    first = await server.start()
    assert await server.healthy()
    assert await asyncio.to_thread(through_moat, first, store) == 200
    await server.stop()
    assert not await server.healthy()
    assert not (folder / "run" / "weed.pid").exists()
    assert leftovers(folder) == []
    assert await server.start() == first
    assert await asyncio.to_thread(through_moat, first, fetch) == b"kept"
    await server.stop()
    await server.stop()


async def test_doors_are_shut(folder: Path) -> None:
    """Behind the moat no port of SeaweedFS is open to other programs; its files are private; unsigned requests are refused."""
    server = embedded(folder)
    upstream = await server.start()
    try:
        if not server.moated:
            pytest.skip("this machine has no network namespaces for us")
        ports = json.loads((folder / "objects" / "ports.json").read_text())
        for port in (*ports.values(), *(port + 10_000 for port in ports.values())):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 1)
        for private in (folder / "objects" / "s3.json", folder / "run" / "objects.sock"):
            assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert stat.S_IMODE((folder / "objects").stat().st_mode) == 0o700
        cross(upstream.dial, upstream.port).close()
        (await cross_async(upstream.dial, upstream.port)).close()
        with pytest.raises(ConnectionRefusedError):
            cross(upstream.dial, 9)
        with pytest.raises(ConnectionRefusedError):
            await cross_async(upstream.dial, 9)
        assert upstream.secret_key not in repr(upstream)
    finally:
        await server.stop()


async def test_without_a_moat(folder: Path) -> None:
    server = embedded(folder, moat=False)
    upstream = await server.start()
    try:
        assert (server.moated, upstream.dial) == (False, "")
        with contextlib.closing(client(f"http://127.0.0.1:{upstream.port}", upstream)) as s3:
            assert await asyncio.to_thread(store, s3) == 200
    finally:
        await server.stop()


async def test_two_servers_at_once(folder: Path) -> None:
    """SeaweedFS names sockets in /tmp after its ports: two servers must not share any."""
    one, two = embedded(folder / "one"), embedded(folder / "two")
    first, second = await asyncio.gather(one.start(), two.start())
    try:
        assert await asyncio.to_thread(through_moat, first, store) == 200
        assert await asyncio.to_thread(through_moat, second, buckets) == []
        assert await asyncio.to_thread(through_moat, first, buckets) == ["bucket"]
    finally:
        await asyncio.gather(one.stop(), two.stop())


async def test_after_a_crash(folder: Path) -> None:
    """kill -9 of the server, and of the process above it: the next start finds the data and stops what still runs."""
    server = embedded(folder, moat=False)
    upstream = await server.start()
    with contextlib.closing(client(f"http://127.0.0.1:{upstream.port}", upstream)) as s3:
        assert await asyncio.to_thread(store, s3) == 200
    abandoned = psutil.Process(int((folder / "run" / "weed.pid").read_text()))
    heir = embedded(folder, moat=False)
    taken_over = await heir.start()
    assert not abandoned.is_running() or abandoned.status() == psutil.STATUS_ZOMBIE
    os.kill(int((folder / "run" / "weed.pid").read_text()), signal.SIGKILL)
    await eventually(lambda: not heir.running)
    assert not await heir.healthy()
    again = await heir.start()
    with contextlib.closing(client(f"http://127.0.0.1:{again.port}", taken_over)) as s3:
        assert await asyncio.to_thread(fetch, s3) == b"kept"
    await heir.stop()
    await server.stop()


def test_process(folder: Path) -> None:
    """As the supervisor runs it: announces itself, ends with 1 when SeaweedFS dies, with 0 when told to, leaves no record."""
    settings = settings_in(folder)
    with object_process(settings) as process:
        upstream = Upstream.read(settings.run / RECORD)
        assert upstream.embedded
        assert stat.S_IMODE((settings.run / RECORD).stat().st_mode) == 0o600
        weed = int((settings.run / "weed.pid").read_text())
        for child in psutil.Process(weed).children(recursive=True) or [psutil.Process(weed)]:
            child.kill()
        assert process.wait(20) == 1
        assert not (settings.run / RECORD).exists()
    with object_process(settings) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (settings.run / RECORD).exists()


def test_no_telemetry(folder: Path) -> None:
    """SeaweedFS reports to its maker unless it is told not to."""
    settings = settings_in(folder)
    with object_process(settings):
        command = Path(f"/proc/{(settings.run / 'weed.pid').read_text().strip()}/cmdline").read_bytes()
    assert b"-master.telemetry=false" in command


async def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def client(url: str, upstream: Upstream) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=upstream.region,
        aws_access_key_id=upstream.access_key,
        aws_secret_access_key=upstream.secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


def through_moat(upstream: Upstream, work: Callable[[Any], Any]) -> Any:
    """Runs ``work`` with a client whose connections cross the moat by a relay on a port of ours."""
    with socket.create_server(("127.0.0.1", 0)) as relay:
        port = relay.getsockname()[1]
        done = threading.Event()
        server = threading.Thread(target=relay_connections, args=(relay, upstream, done))
        server.start()
        try:
            with contextlib.closing(client(f"http://127.0.0.1:{port}", upstream)) as s3:
                return work(s3)
        finally:
            done.set()
            socket.create_connection(("127.0.0.1", port)).close()
            server.join()


def relay_connections(relay: socket.socket, upstream: Upstream, done: threading.Event) -> None:
    while True:
        near, _ = relay.accept()
        if done.is_set():
            near.close()
            return
        far = cross(upstream.dial, upstream.port) if upstream.dial else socket.create_connection((upstream.host, upstream.port))
        far.setblocking(True)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=pump, args=(source, sink), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def store(s3: Any) -> int:
    s3.create_bucket(Bucket="bucket")
    return int(s3.put_object(Bucket="bucket", Key="k", Body=b"kept")["ResponseMetadata"]["HTTPStatusCode"])


def fetch(s3: Any) -> bytes:
    return bytes(s3.get_object(Bucket="bucket", Key="k")["Body"].read())


def buckets(s3: Any) -> list[str]:
    return [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
