"""Keeps the server's processes alive: objects, control, front. Knows nothing of what they do.

``python -m sagewright.supervisor`` is what `sagewright up` turns into: settings come in as SAGEWRIGHT_* variables. It writes
``run/server.json`` (who supervises, with which settings), restarts what dies with a growing pause, and on SIGTERM or SIGINT
stops the parts in reverse order, then the containers that serve; training goes on and is adopted by the next start. Killed itself,
it takes its parts along (they ask the kernel for that), but no container: those have shims of their own and are adopted, too.
A part that cannot even start (a wrong database, a broken key file) ends it all, with the reason on standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sagewright.compute.oci import program
from sagewright.compute.retirement import retire
from sagewright.settings import Settings

_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY_AFTER = 0.1, 2.0, 10.0
_MOST_FALSE_STARTS = 3
_GRACE = 10.0
_SERVING = ("endpoint", "inference-component", "transform-job")
"""Kinds of containers that are of no use without a server; the next start starts them anew."""
_CONTAINER_GRACE = 10.0
_LOG_LIMIT = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One process to keep alive; ``argv`` after the interpreter."""

    name: str
    argv: tuple[str, ...]


def parts(settings: Settings) -> list[Part]:
    """What runs for these settings, in starting order."""
    found = [] if settings.s3_url else [Part("objects", ("-m", "sagewright.objects.embedded"))]
    if program.find() is not None:
        found.append(Part("registry", ("-m", "sagewright.compute.oci.server")))
    if settings.inline:
        return [*found, Part("server", ("-m", "sagewright.app.inline"))]
    fronts = [Part(f"front-{number}", ("-m", "sagewright.front")) for number in range(1, settings.fronts + 1)]
    return [*found, Part("control", ("-m", "sagewright.app.control")), *fronts]


class AlreadyRunning(RuntimeError):
    """Another supervisor holds this data folder."""


class CannotStart(RuntimeError):
    """A part ends as soon as it is started; the text says why."""


def describe_running(settings: Settings) -> dict[str, Any] | None:
    """run/server.json of a supervisor that is alive, or None."""
    try:
        record: dict[str, Any] = json.loads((settings.run / "server.json").read_text())
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError), _lock_file(settings).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    return record


async def supervise(settings: Settings) -> None:
    """Runs until it is told to stop. Raises AlreadyRunning."""
    settings.make_folders()
    with _exclusive(settings):
        check_address(settings)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        keepers = [Keeper(part, settings, stopping.set) for part in parts(settings)]
        _write_record(settings, keepers)
        tasks = [asyncio.create_task(keeper.keep(lambda: _write_record(settings, keepers))) for keeper in keepers]
        await stopping.wait()
        for keeper, task in reversed(list(zip(keepers, tasks, strict=True))):
            await keeper.stop()
            await task
        await asyncio.to_thread(_clean_up, settings)
        for keeper in keepers:
            if keeper.hopeless:
                raise CannotStart(f"{keeper.part.name} does not start: {_last_words(settings, keeper.part)}")


class Keeper:
    """Starts one part, again and again, until it is told to stop. ``give_up`` is called when the part has never come to life."""

    def __init__(self, part: Part, settings: Settings, give_up: Callable[[], None]) -> None:
        self.part = part
        self.pid: int | None = None
        self.restarts = 0
        self.hopeless = False
        self._give_up = give_up
        self._false_starts = 0
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def keep(self, changed: Any) -> None:
        """Returns after stop()."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            born = time.monotonic()
            process = await self._start()
            changed()
            if self._stopping.is_set():  # told to stop while the new process came up: nobody else ends it
                await _end(process)
                return
            code = await process.wait()
            self.pid = None
            if self._stopping.is_set():
                return
            lived = time.monotonic() - born
            pause = _FIRST_PAUSE if lived > _HEALTHY_AFTER else min(pause * 2, _LONGEST_PAUSE)
            self.restarts += 1
            if self._never_lived(code, lived):
                self.hopeless = True
                self._give_up()
                return
            print(f"sagewright: {self.part.name} ended with {code}; starting it again", file=sys.stderr, flush=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _never_lived(self, code: int, lived: float) -> bool:
        """Whether it has ended by itself (a signal does not count) each time it was started, and soon."""
        if code <= 0 or lived > _HEALTHY_AFTER:
            self._false_starts = -sys.maxsize  # it can live: whatever ends it now may pass
        self._false_starts += 1
        return self._false_starts >= _MOST_FALSE_STARTS

    async def stop(self) -> None:
        """Ends the part; ``keep`` returns soon after."""
        self._stopping.set()
        if self._process is not None:
            await _end(self._process)

    async def _start(self) -> asyncio.subprocess.Process:
        with _open_log(self._settings.run / f"{self.part.name}.log") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.part.argv,
                env=child_environment(self._settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        return self._process


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, then SIGKILL after the grace time; nothing when it has ended."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def child_environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a part: the user's, with our settings, and without what would point our own clients elsewhere."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # start-up is up to three times slower without byte code
    return {**kept, **settings.environment(), "SAGEWRIGHT_SUPERVISOR": str(os.getpid())}


def check_address(settings: Settings) -> None:
    """Raises OSError, with a text for the user, when nobody can listen there: several fronts would share even a taken port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            probe.listen(1)
        except OSError as problem:
            where = f"cannot listen on {settings.host} port {settings.port}"
            raise OSError(f"{where}: {problem.strerror or problem}; choose another with --port") from problem


def _clean_up(settings: Settings) -> None:
    """What only a running server needs goes, the containers that serve among it."""
    retire(settings.jobs, _SERVING, _CONTAINER_GRACE)
    (settings.run / "server.json").unlink(missing_ok=True)
    if settings.sockets != settings.run:
        shutil.rmtree(settings.sockets)


def _last_words(settings: Settings, part: Part) -> str:
    """The last line of a part's log."""
    lines = (settings.run / f"{part.name}.log").read_text(errors="replace").split("\n")
    return next((line.removeprefix("sagewright: ") for line in reversed(lines) if line.strip()), "its log is empty")


def _write_record(settings: Settings, keepers: list[Keeper]) -> None:
    record = {
        "pid": os.getpid(),
        "url": settings.url,
        "settings": settings.environment(),
        "parts": {keeper.part.name: {"pid": keeper.pid, "restarts": keeper.restarts} for keeper in keepers},
    }
    for secret in ("SAGEWRIGHT_S3_SECRET_KEY", "SAGEWRIGHT_DATABASE"):
        record["settings"].pop(secret)  # type: ignore[attr-defined]
    new = settings.run / "server.json.new"
    new.write_text(json.dumps(record))
    new.rename(settings.run / "server.json")


def _lock_file(settings: Settings) -> Path:
    return settings.run / "server.lock"


@contextlib.contextmanager
def _exclusive(settings: Settings) -> Iterator[None]:
    with _lock_file(settings).open("a") as lock:
        deadline = time.monotonic() + 0.5  # who only asks whether we run holds the lock for an instant, too
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise AlreadyRunning(f"a server is running on {settings.data} already")
            time.sleep(0.02)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_log(file: Path) -> IO[bytes]:
    """Appends; a log that has grown large is moved aside first."""
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size > _LOG_LIMIT:
            file.rename(file.with_suffix(".log.1"))
    return file.open("ab")


def main() -> None:
    """Entry point of the module."""
    try:
        settings = Settings.from_env()
        asyncio.run(supervise(settings))
    except (ValueError, AlreadyRunning, CannotStart, OSError) as error:
        print(f"sagewright: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
