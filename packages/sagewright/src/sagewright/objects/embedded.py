"""Starts and stops the S3 server that comes with Sagewright: SeaweedFS, one process, one folder.

``python -m sagewright.objects.embedded`` is the process that the supervisor keeps alive (settings as SAGEWRIGHT_*).
SeaweedFS's master, filer and volume ports know no credentials. Where the machine allows it, it therefore lives behind a moat, in a
network namespace of its own, and only who may open the dialler's Unix socket reaches it. Elsewhere it listens on loopback,
where every local program can reach those ports; ``Embedded.moated`` tells which it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from sagewright.base import files
from sagewright.base.lifeline import end_with_parent
from sagewright.objects.moat import cross, moat_command
from sagewright.objects.upstream import RECORD, Upstream
from sagewright.objects.weed import Ports, command, find_program
from sagewright.settings import Settings

log = logging.getLogger(__name__)

_PASSED_ENVIRONMENT = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG", "TZ")
_LOG_LIMIT = 16 * 1024 * 1024
_CHECK_PERIOD = 5.0
_MOST_MISSES = 4


class Embedded:
    """One SeaweedFS. ``start`` and ``stop`` may alternate; the data stays."""

    def __init__(self, data: Path, run: Path, sockets: Path | None = None, *, moat: bool = True) -> None:
        """``data`` is the folder of the objects, ``run`` that of pid file and log, ``sockets`` that of the dialler's socket
        (``run`` when None). ``moat``: whether to live behind a moat where the machine allows it."""
        self._data = data.absolute()
        self._run = run.absolute()
        self._dial = (sockets or run).absolute() / "objects.sock"
        self._wants_moat = moat
        self._process: asyncio.subprocess.Process | None = None
        self._ports: Ports | None = None
        self.moated = False

    async def start(self, patience: float = 30.0) -> Upstream:
        """Starts the server and returns when it answers. Raises RuntimeError with the end of its log when it does not.

        A server that an earlier run of ours left on this folder is stopped first.
        """
        self._prepare()
        await _end_leftover(self._run / "weed.pid", self._data)
        access_key, secret_key = self._credentials()
        ports = self._ports = self._choose_ports()
        prefix = await self._moat_prefix()
        self.moated = bool(prefix)
        if not self.moated:
            log.warning("SeaweedFS's inner ports, which know no credentials, are open to every program of this machine")
        arguments = [*prefix, *command(find_program(), self._data / "weed", self._data / "s3.json", ports)]
        self._process = await self._spawn(arguments)
        await self._wait_until_ready(patience)
        dial = str(self._dial) if self.moated else ""
        return Upstream("127.0.0.1", ports.s3, access_key, secret_key, dial=dial, filer=ports.filer, volume=ports.volume)

    async def stop(self, patience: float = 6.0) -> None:
        """Stops the server (about two seconds: it flushes) and removes what it left in /tmp. A no-op when it does not run."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(patience):
                    await process.wait()
            except TimeoutError:
                log.warning("SeaweedFS did not stop in %.0f s; killed", patience)
                process.kill()
                await process.wait()
        (self._run / "weed.pid").unlink(missing_ok=True)
        if self._ports is not None:
            self._ports.remove_sockets()

    async def healthy(self) -> bool:
        """Whether the server runs and its S3 port answers within two seconds."""
        return self.running and await asyncio.to_thread(self._answers)

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.returncode is None

    def _prepare(self) -> None:
        for folder in (self._data, self._data / "weed", self._run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        output = self._run / "weed.log"
        if output.exists() and output.stat().st_size > _LOG_LIMIT:
            output.replace(output.with_suffix(".log.1"))

    def _credentials(self) -> tuple[str, str]:
        """Internal keys, made once; SeaweedFS reads them from the same file."""
        file = self._data / "s3.json"
        with contextlib.suppress(FileNotFoundError):
            known = json.loads(file.read_text(encoding="utf-8"))["identities"][0]["credentials"][0]
            return str(known["accessKey"]), str(known["secretKey"])
        access_key, secret_key = "SW" + secrets.token_hex(9).upper(), secrets.token_urlsafe(30)
        identity = {
            "name": "sagewright",
            "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        _write_private(file, {"identities": [identity]})
        return access_key, secret_key

    def _choose_ports(self) -> Ports:
        """The ports of the last time if they are free: the master's folder is named after its port."""
        file = self._data / "ports.json"
        with contextlib.suppress(FileNotFoundError):
            known = Ports(**json.loads(file.read_text(encoding="utf-8")))
            if known.free():
                known.remove_sockets()
                return known
        chosen = Ports.choose()
        _write_private(file, asdict(chosen))
        return chosen

    async def _moat_prefix(self) -> list[str]:
        """What puts a command behind the moat; empty when none is wanted or this machine refuses it."""
        if not self._wants_moat:
            return []
        prefix = moat_command(self._dial)
        trial = await asyncio.create_subprocess_exec(
            *prefix, "true", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment()
        )
        _, complaint = await trial.communicate()
        if trial.returncode == 0:
            return prefix
        log.warning("no moat on this machine: %s", complaint.decode(errors="replace").strip().rpartition("\n")[2])
        return []

    async def _spawn(self, arguments: list[str]) -> asyncio.subprocess.Process:
        with (self._run / "weed.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=self._data / "weed",
                env=_environment() | {"HOME": str(self._data / "weed")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        (self._run / "weed.pid").write_text(f"{process.pid}\n", encoding="ascii")
        return process

    async def _wait_until_ready(self, patience: float) -> None:
        deadline = asyncio.get_running_loop().time() + patience
        while not (await asyncio.to_thread(self._answers) and await asyncio.to_thread(self._has_volumes)):
            if not self.running or asyncio.get_running_loop().time() > deadline:
                await self.stop()
                raise RuntimeError(f"SeaweedFS did not start:\n{_tail(self._run / 'weed.log')}")
            await asyncio.sleep(0.03)

    def _answers(self) -> bool:
        """Whether an unsigned request is refused, which takes a server that has read its credentials."""
        found = self._get(self._ports.s3, "/") if self._ports is not None else None
        return found is not None and found[0] == 403

    def _has_volumes(self) -> bool:
        """Whether the master knows the volumes of this folder. The S3 port opens half a second before that, and until then
        every object is an InternalError."""
        found = self._get(self._ports.master, "/dir/status") if self._ports is not None else None
        if found is None or found[0] != 200:
            return False
        nodes = [
            node
            for center in json.loads(found[1])["Topology"]["DataCenters"] or ()
            for rack in center["Racks"] or ()
            for node in rack["DataNodes"] or ()
        ]
        return bool(nodes) and sum(node["Volumes"] for node in nodes) >= len(list((self._data / "weed").glob("*.dat")))

    def _get(self, port: int, path: str) -> tuple[int, bytes] | None:
        """Status and body, None when nobody answers."""
        try:
            with contextlib.closing(self._connect(port)) as connected:
                connected.settimeout(2.0)
                client = http.client.HTTPConnection("127.0.0.1", port)
                client.sock = connected
                client.request("GET", path)
                answer = client.getresponse()
                return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None

    def _connect(self, port: int) -> socket.socket:
        return cross(str(self._dial), port) if self.moated else socket.create_connection(("127.0.0.1", port), 2.0)


async def serve(settings: Settings) -> int:
    """Runs the server until SIGTERM or SIGINT (returns 0) or until it fails (returns 1, for the supervisor to start it again)."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    record = settings.run / RECORD
    record.unlink(missing_ok=True)
    embedded = Embedded(settings.objects, settings.run, settings.sockets)
    upstream = await embedded.start()
    try:
        upstream.write(record)
        return await _watch(embedded, stopping)
    finally:
        record.unlink(missing_ok=True)
        await embedded.stop()


async def _watch(embedded: Embedded, stopping: asyncio.Event) -> int:
    misses = 0
    while misses < _MOST_MISSES:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _CHECK_PERIOD if embedded.running else 0.05)
            return 0
        misses = 0 if await embedded.healthy() else misses + 1 if embedded.running else _MOST_MISSES
    log.error("SeaweedFS does not answer any more")
    return 1


async def _end_leftover(pid_file: Path, data: Path) -> None:
    """Stops a server that still runs on the folder after its supervisor was killed."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        descriptor = os.pidfd_open(pid)
    except (OSError, ValueError):
        return
    try:
        if str(data).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        log.warning("a SeaweedFS of an earlier run is still there (pid %d); stopping it", pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(descriptor, number)
            if await asyncio.to_thread(_wait_for_end, descriptor, 10.0):
                return
    except (ProcessLookupError, FileNotFoundError):
        return
    finally:
        os.close(descriptor)


def _wait_for_end(descriptor: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(patience * 1000))


def _environment() -> dict[str, str]:
    """Nothing of the user's environment: SeaweedFS would take AWS_ACCESS_KEY_ID for a further administrator.

    PYTHONPATH is for the moat, which is a module of ours.
    """
    passed = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return passed | {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)}


def _write_private(file: Path, document: object) -> None:
    files.write(file, json.dumps(document).encode(), 0o600)


def _tail(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")[-2000:]


def main() -> None:
    """Entry point of the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    end_with_parent()
    try:
        sys.exit(asyncio.run(serve(Settings.from_env())))
    except (FileNotFoundError, RuntimeError) as error:
        log.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
