"""The front as a process: ``python -m sagewright.front`` with settings as SAGEWRIGHT_* (or --data, --host, --port …)."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvloop

from sagewright.base.clock import Clock, SystemClock
from sagewright.base.lifeline import end_with_parent
from sagewright.front.capture import Capture
from sagewright.front.control import Control
from sagewright.front.counters import Counters
from sagewright.front.gateway import Gateway
from sagewright.front.halt_polling import HaltPolling
from sagewright.front.inference import Inference
from sagewright.front.multi_model import MultiModel
from sagewright.front.objects import ObjectStore
from sagewright.front.presigned_v2 import PresignedV2
from sagewright.front.published import Published
from sagewright.front.registry import Registry
from sagewright.front.routes import FRESH, RouteTable
from sagewright.front.server import Server
from sagewright.front.serverless import Gates
from sagewright.front.sessions import Sessions
from sagewright.jumpstart.pretrained import Pretrained
from sagewright.objects.upstream import RECORD, Upstream
from sagewright.settings import Settings
from sagewright.wire.credentials import Keyring
from sagewright.wire.sigv4 import Verifier

log = logging.getLogger(__name__)


class Front:
    """All parts of the front on the running event loop. ``start``, then ``stop``; both once."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        settings.check()
        self._settings = settings
        self._counters = Counters(loads=lambda: self._routes.loads())
        self._routes = RouteTable(settings.routes, fresh=FRESH, told=self._counters.contained)
        self._control = Control(settings.control_socket)
        self._capture = Capture(settings.captured, self._tell_of_capture)
        self._objects = object_store(settings)
        self._clock = clock or SystemClock()
        self._keyring = Keyring.open(settings.credentials, settings.account, settings.region)
        self._registry = Registry(self._keyring, self._clock, self._control, settings.registry_socket)
        self._gates = Gates(self._routes, self._control.wake)
        self._server = Server(self._gateway(settings, self._keyring, self._clock))
        self._flusher: asyncio.Task[None] | None = None

    def _contained(self, endpoint: str, variant: str, container: str, seconds: float) -> None:
        self._counters.contained(endpoint, variant, container, seconds)

    def _gateway(self, settings: Settings, keyring: Keyring, clock: Clock) -> Gateway:
        is_open = settings.auth == "open"
        return Gateway(
            Verifier(keyring, clock, open_access=is_open),
            PresignedV2(keyring, clock, open_access=is_open),
            self._objects,
            Inference(
                self._routes,
                self._counters,
                capture=self._capture,
                sessions=Sessions(settings.sessions),
                models=MultiModel(self._control.model, self._counters),
                gates=self._gates,
                polling=HaltPolling(settings.halt_polling / 1e6),
            ),
            self._control,
            self._registry,
            test_hooks=settings.test_hooks,
        )

    async def start(self) -> int:
        """Listens; returns the port. Raises OSError when the address is taken."""
        port = await self._server.start(self._settings.host, self._settings.port, reuse_port=self._settings.fronts > 1)
        await self._control.start()
        self._flusher = asyncio.get_running_loop().create_task(self._flush())
        self._capture.start()
        return port

    async def _flush(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._counters.flush(self._control.tell))
            group.create_task(self._gates.report(self._control.tell))

    async def stop(self, grace: float = 5.0) -> None:
        """Lets answers under way finish, then closes everything."""
        await self._server.stop(grace)
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
        await self._capture.close()
        await self._control.stop()
        await self._objects.close()
        await self._registry.close()
        self._routes.close()

    async def _tell_of_capture(self) -> None:
        await self._control.tell({"op": "captured"}, b"")


def object_store(settings: Settings) -> ObjectStore:
    """The user's own S3 where one is set, else the embedded one; JumpStart's buckets beside either."""
    published = Published(Pretrained(settings.data / "jumpstart"))
    if settings.s3_url:
        own = Upstream.at(settings.s3_url, settings.s3_access_key, settings.s3_secret_key, settings.region)
        return ObjectStore(published, upstream=own)
    return ObjectStore(published, record=settings.run / RECORD)


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    front = Front(settings)
    port = await front.start()
    log.info("listening on %s port %d", settings.host, port)
    # What is there now stays: the collector need not look at it again on the path of a request.
    gc.collect()
    gc.freeze()
    await stopping.wait()
    await front.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="sagewright.front", description="Sagewright's listener; settings as SAGEWRIGHT_*.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--auth")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    end_with_parent()
    try:
        settings = Settings.from_env(**vars(options))
        settings.make_folders()
        uvloop.run(serve(settings))
    except (ValueError, OSError) as error:
        print(f"sagewright: {error}", file=sys.stderr)
        return 1
    return 0
