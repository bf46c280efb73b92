"""The control process: API operations and controllers behind a Unix socket; the database's only writer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.app.parts import Parts
from sagewright.app.process import serve, stop_signals
from sagewright.base.world import World
from sagewright.compute import sockets
from sagewright.features.training.feature import NotInterruptible
from sagewright.kernel.operation import Caller
from sagewright.settings import Settings
from sagewright.store.rows import Identity
from sagewright.wire.frames import FrameServer, serve_frames
from sagewright.wire.http import Request

log = logging.getLogger(__name__)

_KIND_OF_FOLDER = {
    "training-job": "TrainingJob",
    "processing-job": "ProcessingJob",
    "compilation-job": "CompilationJob",
    "optimization-job": "OptimizationJob",
    "endpoint": "Endpoint",
    "inference-component": "InferenceComponent",
    "transform-job": "TransformJob",
}
_DATAGRAM = 4096


class Control:
    """Everything behind control.sock. Use: ``start``, then ``close``; both once."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._server: FrameServer | None = None
        self._wakes: socket.socket | None = None

    @classmethod
    async def start(cls, settings: Settings) -> Control:
        """Opens the store, adopts what runs, listens."""
        control = cls(settings, await Parts.open(settings))
        control._listen_for_wakes()
        await control._parts.start()
        control._server = await serve_frames(settings.control_socket, control.answer)
        return control

    async def close(self) -> None:
        """Finishes what was accepted; containers go on."""
        if self._server is not None:
            await self._server.close()
        if self._wakes is not None:
            asyncio.get_running_loop().remove_reader(self._wakes)
            self._wakes.close()
        await self._parts.close()

    async def answer(self, header: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """One frame of a front."""
        match header.get("op"):
            case "api":
                return await self._api(header, body)
            case "invocations":
                await self._parts.hosting.record_invocations(body)
            case "wake":
                return {"status": await self._parts.hosting.waking.wake(header)}, b""
            case "use":
                await self._parts.hosting.record_use(body)
            case "captured":
                self._parts.capture.wake()
            case "model":
                return await self._parts.hosting.models.bring(header), b""
            case "interrupt":
                return await self._interrupt(header)
            case "reset" if self._settings.test_hooks:
                await self._parts.reset()
            case "ping":
                pass
            case other:
                log.error("a front asked for %r", other)
                return {"status": 400}, b""
        return {"status": 200}, b""

    async def _interrupt(self, header: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """`sagewright interrupt`: whoever reaches the socket may do that; there is no operation of AWS's for it."""
        try:
            await self._parts.training.interrupt(World(header["account"], header["region"]), header["name"])
        except NotInterruptible as problem:
            return {"status": 400}, str(problem).encode()
        return {"status": 200}, b""

    async def _api(self, header: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        who = header["caller"]
        caller = Caller(World(who["account"], who["region"]), who["arn"], who["access_key"])
        request = Request(header["method"], header["path"], header["query"], header["headers"], body)
        answer = await self._parts.api.handle(caller, who["service"], request)
        return {"status": answer.status, "headers": answer.headers}, answer.body

    def _listen_for_wakes(self) -> None:
        """A shim that has written exit.json sends its run folder: a hint only, the controllers would see the file anyway."""
        self._wakes = sockets.listen(self._settings.wake_socket, socket.SOCK_DGRAM)
        self._wakes.setblocking(False)
        asyncio.get_running_loop().add_reader(self._wakes, self._woken)

    def _woken(self) -> None:
        assert self._wakes is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                identity = identity_of(self._settings.jobs, Path(self._wakes.recv(_DATAGRAM).decode(errors="replace")))
                if identity is not None:
                    self._parts.loop.hint(identity)


def identity_of(jobs: Path, folder: Path) -> Identity | None:
    """The row a run folder belongs to, or None: ``jobs/<kind>/<account>/<region>/<name>/…``."""
    if not folder.is_relative_to(jobs):
        return None
    below = folder.relative_to(jobs).parts
    if len(below) < 4 or below[0] not in _KIND_OF_FOLDER:
        return None
    return World(below[1], below[2]), _KIND_OF_FOLDER[below[0]], below[3]


async def run(settings: Settings) -> None:
    """Until SIGTERM."""
    stopping = stop_signals()
    control = await Control.start(settings)
    gc.collect()
    gc.freeze()  # the service models are large and live for ever: no collection needs to walk them
    await stopping.wait()
    await control.close()


if __name__ == "__main__":
    serve(run)
