"""What the front adds to an HTTP container of one's own: an image pushed with podman, whose server answers as soon as it has read a request.

The container is asked directly, on a connection like the front's own, and through the signed front, by one and the same client in turn.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.images import PYTHON, WHY_NOT, Registry, python_files
from support.server import ROLE, Server, running_server

from benchmarks import load
from benchmarks.endpoint import serve
from benchmarks.figures import Figure, at_least, median
from sagewright.compute.dial import dial_socket

_ROUNDS = 7
_CALLS = 700
_WARM = 100
_ADDED = 0.15
"""Milliseconds."""
_ROW = b"0.123456," * 29 + b"0.123456\n"
_LARGE = b"x" * 6_000_000
_CLIENTS = 4
_SECONDS = 1.5
_PROGRAM = """#!/usr/bin/python3
import os, socket, threading

ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n"

def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room = memoryview(bytearray(1 << 20))
    while True:
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            part = connection.recv(65536)
            if not part:
                return
            head += part
        head, _, body = head.partition(b"\\r\\n\\r\\n")
        lengths = [line for line in head.split(b"\\r\\n") if line[:15].lower() == b"content-length:"]
        left = (int(lengths[0][15:]) if lengths else 0) - len(body)
        while left:
            got = connection.recv_into(room, min(left, len(room)))
            if not got:
                return
            left -= got
        connection.sendall(ANSWER)

listener = socket.create_server(("0.0.0.0", int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))))
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""
_IMAGE = PYTHON + "COPY serve /usr/bin/\n"


def figures() -> list[Figure]:
    if WHY_NOT:
        return [Figure("calls of an HTTP container", f"not measured: {WHY_NOT}", f"<= {_ADDED} ms added", False)]
    with _deployed() as server:
        found = [_figure(*_added(server)), *_moved(server)]
    with _deployed(halt_polling=0) as server:
        return [*found, Figure("added at p50 by a front that does not poll", _shown(*_added(server)))]


def _figure(added: float, ours: float, theirs: float) -> Figure:
    name = "added to a call of an HTTP container at p50"
    return Figure(name, _shown(added, ours, theirs), f"<= {_ADDED} ms", added <= _ADDED)


def _shown(added: float, ours: float, theirs: float) -> str:
    return f"{added:.3f} ms   ({ours:.3f} against {theirs:.3f} ms)"


def _added(server: Server) -> tuple[float, float, float]:
    """The difference of one call at a time, through the front, and directly: medians in milliseconds."""
    rounds = []
    with _connected(_direct(server)) as direct, _connected(_through(server)) as through:
        for _ in range(_ROUNDS):
            rounds.append((_latency(through, _signed(server, _ROW)), _latency(direct, _plain(_ROW))))
    return (
        median(ours - theirs for ours, theirs in rounds),
        median(ours for ours, _ in rounds),
        median(theirs for _, theirs in rounds),
    )


def _moved(server: Server) -> list[Figure]:
    """Payloads of 6 MB on some connections at a time."""
    through = [_rate(_through(server), _signed(server, _LARGE)) for _ in range(3)]
    direct = [_rate(_direct(server), _plain(_LARGE)) for _ in range(3)]
    return [
        at_least("payloads of 6 MB through the front to an HTTP container", median(through), 300, "MB/s"),
        Figure("the same without the front", f"{median(direct):,.0f} MB/s"),
    ]


Connect = Callable[[], socket.socket]


def _through(server: Server) -> Connect:
    return lambda: socket.create_connection((server.settings.host, server.settings.port))


def _direct(server: Server) -> Connect:
    """As the front itself connects."""
    (endpoint,) = json.loads(server.settings.routes.read_bytes())["endpoints"].values()
    place = endpoint["variants"][0]["replicas"][0]
    if not place["socket"]:
        return lambda: socket.create_connection(("127.0.0.1", place["port"]))
    return lambda: dial_socket(Path(place["socket"]), place["port"], 5.0)


@contextmanager
def _connected(connect: Connect) -> Iterator[socket.socket]:
    with connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(60.0)
        yield connection


def _signed(server: Server, body: bytes) -> bytes:
    path, headers = "/endpoints/own/invocations", {"Content-Type": "text/csv"}
    return load.signed(server.settings.url, "POST", path, body, headers, server.keys())


def _plain(body: bytes) -> bytes:
    return load.plain("http://localhost", "/invocations", body, "text/csv")


def _latency(connection: socket.socket, request: bytes) -> float:
    """The median of so many calls, in milliseconds."""
    for _ in range(_WARM):
        _ask(connection, request)
    taken = []
    for _ in range(_CALLS):
        began = time.perf_counter_ns()
        _ask(connection, request)
        taken.append((time.perf_counter_ns() - began) / 1e6)
    return median(taken)


def _rate(connect: Connect, request: bytes) -> float:
    """MB of bodies a second, of all connections together."""
    with ExitStack() as stack, ThreadPoolExecutor(_CLIENTS) as pool:
        connections = [stack.enter_context(_connected(connect)) for _ in range(_CLIENTS)]
        for connection in connections:
            _ask(connection, request)
        began = time.perf_counter()
        calls = sum(pool.map(lambda connection: _calls(connection, request, began + _SECONDS), connections))
        return calls * len(_LARGE) / (time.perf_counter() - began) / 1e6


def _calls(connection: socket.socket, request: bytes, until: float) -> int:
    calls = 0
    while time.perf_counter() < until:
        _ask(connection, request)
        calls += 1
    return calls


def _ask(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = b""
    while not answer.endswith(b"\r\n\r\nok\n"):
        part = connection.recv(65536)
        if not part or answer[9:12] not in (b"", b"200"):
            raise RuntimeError(f"the endpoint answered {(answer + part)!r}")
        answer += part


@contextmanager
def _deployed(**settings: int) -> Iterator[Server]:
    with running_server(**settings) as server, tempfile.TemporaryDirectory() as folder:
        _deploy(server, Path(folder, "podman"))
        yield server


def _deploy(server: Server, folder: Path) -> None:
    registry = Registry(server, folder)
    registry.podman.build("own", _IMAGE, {**python_files(), "serve": _PROGRAM})
    registry.ecr.create_repository(repositoryName="own")
    registry.push("own", "own")
    container = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:latest"}
    server.client("sagemaker").create_model(ModelName="own", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    serve(server, "own", "own")
