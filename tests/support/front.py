"""The front over a real SeaweedFS, with a stub where control and inference are: for tests of HTTP and S3."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sagewright.base.clock import SystemClock
from sagewright.front.caller import Caller
from sagewright.front.control import Control
from sagewright.front.exchange import Patience
from sagewright.front.gateway import Gateway
from sagewright.front.objects import ObjectStore
from sagewright.front.presigned_v2 import PresignedV2
from sagewright.front.process import object_store
from sagewright.front.registry import Registry
from sagewright.front.server import Server
from sagewright.objects.upstream import RECORD
from sagewright.settings import Settings
from sagewright.wire.credentials import Keyring
from sagewright.wire.frames import FrameServer, Header, serve_frames
from sagewright.wire.http import Request, Response
from sagewright.wire.sigv4 import Verifier

SOURCES = [str(Path(__file__).parents[2] / "packages" / name / "src") for name in ("sagewright", "container", "algorithms")]


def settings_in(folder: Path, **overrides: Any) -> Settings:
    settings = Settings.from_env({}, data=folder, port=0, **overrides)
    settings.make_folders()
    return settings


@contextlib.contextmanager
def object_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The embedded S3 server as the supervisor starts it; ready when its record is there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_"))}
    environment |= {**settings.environment(), "PYTHONPATH": os.pathsep.join(SOURCES)}
    with (settings.run / "objects.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sagewright.objects.embedded"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while not (settings.run / RECORD).exists():
            assert process.poll() is None, (settings.run / "objects.log").read_text()
            assert time.monotonic() < deadline, "SeaweedFS did not start in 30 s"
            time.sleep(0.02)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


class StubInference:
    """Answers with what it was asked."""

    async def handle(self, caller: Caller, request: Request) -> Response:
        if "/bug/" in request.path:
            raise ZeroDivisionError
        return Response(200, [("Content-Type", "text/plain")], f"{caller.account} {request.path} {len(request.body)}".encode())


@dataclass
class StubControl:
    """Stands at control.sock; answers every API call with what reached it."""

    path: Path
    delay: float = 0.0
    asked: list[tuple[Header, bytes]] = field(default_factory=list)
    server: FrameServer | None = None

    async def start(self) -> None:
        self.server = await serve_frames(self.path, self._handle)

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.close()
            self.server = None

    async def restart(self) -> None:
        """Cuts the connection without answering, as a crash does."""
        assert self.server is not None
        for connection in list(self.server._connections):
            connection.close()
        self.server._server.close()
        await self.start()

    async def _handle(self, header: Header, body: bytes) -> tuple[Header, bytes]:
        self.asked.append((header, body))
        await asyncio.sleep(self.delay)
        document = {"path": header["path"], "account": header.get("caller", {}).get("account"), "body": len(body)}
        answer = {
            "status": 200,
            "headers": [["Content-Type", "application/x-amz-json-1.1"], ["x-amzn-requestid", "from-control"]],
        }
        return answer, json.dumps(document).encode()


class FrontRig:
    """A front with stubs, on an event loop in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        patience: Patience | None = None,
        objects: Callable[[FrontRig], ObjectStore] | None = None,
    ) -> None:
        self.settings = settings
        self.keyring = Keyring.open(settings.credentials, settings.account, settings.region)
        self.control = StubControl(settings.control_socket)
        self.port = 0
        self._patience = patience
        self._choose_objects = objects or _embedded
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FrontRig:
        self._thread.start()
        self.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def close_unstarted(self) -> None:
        """For who needs only the keys."""
        self._loop.close()

    def run(self, work: Any) -> Any:
        """Runs a coroutine on the front's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, url: str | None = None, **config: Any) -> Any:
        """A boto3 client; the caller closes it (or uses ``clients``)."""
        return boto3.client(
            service,
            endpoint_url=url or self.url,
            region_name=config.pop("region_name", "us-east-1"),
            aws_access_key_id=config.pop("access_key", self.keyring.access_key),
            aws_secret_access_key=config.pop("secret_key", self.keyring.secret),
            aws_session_token=config.pop("token", None),
            config=Config(**{"retries": {"max_attempts": 0}, **config}),
        )

    async def _start(self) -> None:
        await self.control.start()
        self._link = Control(self.settings.control_socket, hold=1.0)
        self._objects = self._choose_objects(self)
        is_open = self.settings.auth == "open"
        verifier = Verifier(self.keyring, SystemClock(), open_access=is_open)
        presigned = PresignedV2(self.keyring, SystemClock(), open_access=is_open)
        hooks = self.settings.test_hooks
        registry = Registry(self.keyring, SystemClock(), self._link, self.settings.registry_socket)
        gateway = Gateway(verifier, presigned, self._objects, StubInference(), self._link, registry, test_hooks=hooks)
        self._server = Server(gateway, self._patience)
        self.port = await self._server.start("127.0.0.1", 0)
        await self._link.start()
        async with asyncio.timeout(5):
            while not self._link.connected:  # noqa: ASYNC110 - the link offers no event
                await asyncio.sleep(0.005)

    async def _stop(self) -> None:
        await self._server.stop(2.0)
        await self._link.stop()
        await self._objects.close()
        await self.control.stop()
        await self._loop.shutdown_default_executor()


def _embedded(rig: FrontRig) -> ObjectStore:
    return object_store(rig.settings)


def serve_for_ever(data: str) -> None:
    """``python -m support.front DATA``: the same front alone in a process; prints its port."""
    with FrontRig(settings_in(Path(data))) as rig:
        print(rig.port, flush=True)
        signal.sigwait({signal.SIGTERM})


@contextlib.contextmanager
def front_process(settings: Settings) -> Iterator[tuple[int, int]]:
    """Its pid and port."""
    path = os.pathsep.join([*SOURCES, str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "support.front", str(settings.data)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A data folder whose sockets have room."""
    with tempfile.TemporaryDirectory(prefix="sw-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    serve_for_ever(sys.argv[1])


@contextlib.contextmanager
def s3_front(bucket: str) -> Iterator[FrontRig]:
    """A front before an S3 of its own, which holds this bucket."""
    with short_folder() as folder:
        settings = settings_in(folder)
        with object_process(settings), FrontRig(settings) as started:
            with contextlib.closing(started.client("s3")) as s3:
                s3.create_bucket(Bucket=bucket)
            yield started
