"""Containers that start in milliseconds: forked from a process that has imported the image's libraries already.

One zygote per image and interpreter, started when first needed (or by ``warm``), ended with the server or when nobody has needed it
for a while; the containers it forked live on. What a zygote cannot do, the sandbox does: commands that are not Python, environments that must be there when an interpreter starts,
and anything for which the zygote failed.
"""

from __future__ import annotations

import json
import logging
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sagewright.compute import host, images, root, sockets
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.sandbox import Sandbox, container_environment
from sagewright.compute.supervised import Supervised, check_answer

_SOURCE = str(Path(__file__).parents[2])
_SERVER = f"import sys; sys.path.insert(0, {_SOURCE!r}); from sagewright.compute.zygote_server import main; main()"
_IMPORT_PATIENCE = 120.0  # seconds for an image's imports on a machine under load
_ANSWER_PATIENCE = 60.0

# Read by the interpreter, the loader or a numeric library when it starts: too late in a fork.
_READ_AT_START = re.compile(r"(PYTHON|LD_|MALLOC_|GLIBC_|OMP_|GOMP_|KMP_|MKL_|OPENBLAS_|BLIS_|NUMEXPR_)")
_HONOURED = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}

_log = logging.getLogger(__name__)


class Zygote(Supervised):
    """The driver. ``preload`` names the modules that an image's zygote imports.

    ``idle``: seconds after which a zygote that no container was asked of is ended (0: never); those that ``warm`` started stay.
    """

    name = "zygote"

    def __init__(
        self,
        host: Host,
        preload: Callable[[str], tuple[str, ...]] = images.preload,
        fallback: Supervised | None = None,
        idle: float = 0.0,
    ) -> None:
        super().__init__(host)
        self._idle = idle
        self._over = threading.Event()
        self._janitor: threading.Thread | None = None
        self._preload = preload
        self._fallback = fallback or Sandbox(host)
        self._servers: dict[tuple[str, str], _Server] = {}
        self._lock = threading.Lock()

    def warm(self, image: str, python: str = sys.executable) -> None:
        """Starts the zygote of an image without waiting for its imports. Raises OSError."""
        server = self._server(image, python)
        server.stays = True
        server.start()

    def running(self) -> list[str]:
        """The images whose zygotes run."""
        with self._lock:
            return [image for (image, _), server in self._servers.items() if server.runs]

    def close(self) -> None:
        """Ends the zygotes; what they forked goes on."""
        self._over.set()
        with self._lock:
            for server in self._servers.values():
                server.stop()
            self._servers.clear()

    def _launch(self, spec: InstanceSpec) -> None:
        if spec.rootfs is not None or not runs_in_fork(spec.argv, spec.env, spec.python):
            self._fallback.start(spec)
            return
        steps = root.steps(spec, self._host)
        request = self._request(spec, "namespaces", env=container_environment(spec), root=steps)
        try:
            check_answer(self._server(spec.image, spec.python).ask(json.dumps(request).encode()))
        except OSError as error:
            _log.warning("zygote %s could not start %s (%s); the sandbox does it", spec.image, spec.key, error)
            self._fallback.start(spec)

    def _server(self, image: str, python: str = sys.executable) -> _Server:
        with self._lock:
            if (image, python) not in self._servers:
                self._servers[image, python] = _Server(self._host.run / "zygotes", image, python, self._preload(image))
            if self._idle and self._janitor is None:
                self._janitor = threading.Thread(target=self._end_idle, name="idle zygotes", daemon=True)
                self._janitor.start()
            return self._servers[image, python]

    def _end_idle(self) -> None:
        while not self._over.wait(self._idle / 4):
            with self._lock:
                idle = [server for server in self._servers.values() if server.idles(self._idle)]
            for server in idle:
                server.stop()  # one that is asked meanwhile is started again


def runs_in_fork(argv: tuple[str, ...], env: Mapping[str, str], python: str = sys.executable) -> bool:
    """Whether a fork of the interpreter can stand for a new one: ``python script …`` or ``python -m module …``."""
    if any(_READ_AT_START.match(name) and name not in _HONOURED for name in env):
        return False
    ours = argv[0] in (python, "python", "python3")
    return ours and len(argv) > 1 and (not argv[1].startswith("-") or (argv[1] == "-m" and len(argv) > 2))


class _Server:
    """One zygote process, as its driver sees it."""

    def __init__(self, folder: Path, image: str, python: str, modules: tuple[str, ...]) -> None:
        own = "" if python == sys.executable else f"@{Path(python).parent.parent.name}"
        name = re.sub(r"[^\w.@-]", "_", f"{image}{own}")
        self._python = python
        self._socket = folder / f"{name}.sock"
        self._journal = folder / f"{name}.log"
        self._modules = modules
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._lock = threading.Lock()
        self._used = time.monotonic()
        self._asked, self._count = 0, threading.Lock()
        self.stays = False

    def ask(self, request: bytes) -> bytes:
        """Has a container started; the shim's answer. Raises OSError when the zygote cannot be started or reached.

        One that dies while it is asked is asked again: a second shim for the same container would stop at the first one's lock.
        """
        with self._count:
            self._asked += 1
        try:
            return self._exchange(request)
        except (ConnectionResetError, BrokenPipeError):
            self.stop()
            return self._exchange(request)
        finally:
            self._used = time.monotonic()
            with self._count:
                self._asked -= 1

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return (process := self._process) is not None and process.poll() is None

    def idles(self, seconds: float) -> bool:
        """Whether it runs and nobody has asked for so long; never one that stays."""
        return not self.stays and not self._asked and self.runs and time.monotonic() - self._used > seconds

    def _exchange(self, request: bytes) -> bytes:
        with self._connected() as stream:
            stream.sendall(len(request).to_bytes(4, "little") + request)
            with stream.makefile("rb") as answer:
                return answer.readline()

    def start(self) -> None:
        """Starts the process unless it runs. It ends when we do: its standard input is our end of a pipe."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._bury()
            self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._ready = False
            with self._journal.open("ab") as journal:
                self._process = subprocess.Popen(
                    [self._python, "-c", _SERVER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=journal,
                    env=host.environment("zygote", self._python),
                    cwd="/",
                    start_new_session=True,
                )
            assert self._process.stdin is not None
            words = json.dumps({"socket": str(self._socket), "modules": self._modules})
            self._process.stdin.write(f"{words}\n".encode())
            self._process.stdin.flush()

    def stop(self) -> None:
        """Ends the process."""
        if (running := self._process) is not None:
            running.kill()  # before the lock: whoever waits for its imports holds that
        with self._lock:
            self._bury()
            self._socket.unlink(missing_ok=True)

    def _bury(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process.wait()
            self._process = None

    def _connected(self) -> socket.socket:
        for attempt in range(2):
            self.start()
            self._await()
            try:
                return sockets.connect(self._socket, _ANSWER_PATIENCE)
            except (ConnectionRefusedError, FileNotFoundError):
                if attempt:
                    raise
                self.stop()  # it died, or a newer server took its place
        raise AssertionError

    def _await(self) -> None:
        """Waits for the imports. Raises OSError when they take too long or the process ends."""
        deadline = time.monotonic() + _IMPORT_PATIENCE
        with self._lock:
            if self._ready or self._process is None:
                return
            assert self._process.stdout is not None
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not readable or self._process.stdout.readline() != b"ready\n":
                raise OSError(5, f"the zygote did not get ready; its log is {self._journal}")
            self._ready = True
