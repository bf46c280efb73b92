"""A server behind a moat is reachable through its dialler and no other way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagewright.compute import moat
from sagewright.compute.dial import dial_socket

SOURCE = Path(moat.__file__).parents[2]
SERVER = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "5"); self.end_headers(); self.wfile.write(b"hello")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Hello).serve_forever()
"""
PORT = 8080

Launch = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        moated = [sys.executable, "-m", "sagewright.compute.moat", "--die-with-parent", "--dial", str(tmp_path / "dial.sock")]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        process = subprocess.Popen([*moated, "--", *command], env=environment, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    child = os.fork()
    if child == 0:
        try:
            moat.dig()
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        pytest.skip("this machine refuses network namespaces")


def reach(path: Path, port: int) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            return dial_socket(path, port)
        except (FileNotFoundError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def test_reachable_only_through_the_dialler(launch: Launch, tmp_path: Path) -> None:
    process = launch(sys.executable, "-c", SERVER, str(PORT))
    with reach(tmp_path / "dial.sock", PORT) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").read().endswith(b"hello")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PORT), 1)
    with pytest.raises(ConnectionRefusedError):
        dial_socket(tmp_path / "dial.sock", PORT + 1)
    assert (tmp_path / "dial.sock").stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 7, "SIGTERM reaches the command and its exit code comes back"
    assert not (tmp_path / "dial.sock").exists()


def test_the_command_dies_with_the_moat(launch: Launch, tmp_path: Path) -> None:
    process = launch(sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 20
    while not (pids := children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(20)
    while Path(f"/proc/{pids[0]}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_exit_codes_are_those_of_a_shell(launch: Launch) -> None:
    assert launch("sh", "-c", "exit 3").wait(20) == 3
    assert launch("sh", "-c", "kill -9 $$").wait(20) == 137
    missing = launch("no-such-command")
    assert missing.wait(20) == 127
    assert missing.stderr is not None
    assert b"no-such-command" in missing.stderr.read()
