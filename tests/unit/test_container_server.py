"""The server's loop: batches, HTTP/1.1 to the letter, peers that misbehave (contracts 2.K: container contract)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from support.ml_root import MlRoot

from sagewright_container.serving.connection import FrameConnection, HttpConnection
from sagewright_container.serving.frames import Frame, pack, unpack
from sagewright_container.serving.message import Request, Response
from sagewright_container.serving.server import Listener, Server

MAXIMUM = 1 << 20


class Echo:
    """Answers with the body; notes the sizes of the batches. ``gate``: while clear, answers wait."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.entered = threading.Event()
        self.closed = threading.Event()
        self.produced = 0
        self.gate = threading.Event()
        self.gate.set()

    def invoke(self, requests: list[Request]) -> list[Response]:
        self.batches.append(len(requests))
        self.entered.set()
        assert self.gate.wait(20)
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if request.content_type == "stream":
            return Response(200, iter([b"one,", b"", b"two"]), "text/plain")
        if request.content_type == "endless":
            return Response(200, self._endless(), "text/plain")
        if request.body == b"defect":
            raise RuntimeError("a defect")
        if request.content_type == "broken":
            return Response(200, self._broken(), "text/plain")
        return Response(200, request.body, request.content_type, request.custom_attributes)

    def _broken(self) -> Iterator[bytes]:
        yield b"begun"
        raise ValueError("in the middle")

    def _endless(self) -> Iterator[bytes]:
        try:
            while True:
                self.produced += 1
                yield bytes(1000)
        finally:
            self.closed.set()

    def ping(self) -> Response:
        return Response(200)

    def execution_parameters(self) -> Response:
        return Response(200, b"{}", "application/json")


class Running:
    """A server in a thread."""

    def __init__(self, echo: Echo, port: int, frames: Path, server: Server) -> None:
        self.echo = echo
        self.port = port
        self.frames = frames
        self.server = server

    def http(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=20)

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def framed(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.frames))
        return connection


@contextmanager
def running(folder: Path, threads: int = 0) -> Iterator[Running]:
    echo = Echo()
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(folder / "f"))
        unix.listen()
        listeners = [Listener(tcp, lambda: HttpConnection(echo, MAXIMUM)), Listener(unix, lambda: FrameConnection(echo))]
        server = Server(echo, listeners, threads)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Running(echo, tcp.getsockname()[1], folder / "f", server)
        finally:
            echo.gate.set()
            server.stop()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture(params=[0, 2], ids=["batches", "threads"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, request.param) as found:
        yield found


def until_closed(connection: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def receive(connection: socket.socket, enough: Callable[[bytearray], bool]) -> bytearray:
    received = bytearray()
    while not enough(received):
        data = connection.recv(65536)
        assert data, f"closed after {received!r}"
        received += data
    return received


def frames(connection: socket.socket, count: int) -> list[Frame]:
    buffer, found = bytearray(), []
    while len(found) < count:
        data = connection.recv(65536)
        assert data
        buffer += data
        found += unpack(buffer)
    return found


def test_requests_on_one_connection(server: Running) -> None:
    connection = server.http()
    for number in range(3):
        headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "trace=1"}
        connection.request("POST", "/invocations", b"row %d" % number, headers)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"row %d" % number)
        assert response.getheader("X-Amzn-SageMaker-Custom-Attributes") == "trace=1"
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ping", 200),
        ("GET", "/execution-parameters", 200),
        ("POST", "/ping", 405),
        ("GET", "/invocations", 405),
        ("GET", "/nothing", 404),
        ("POST", "/invocations?x=1", 200),
    ],
)
def test_paths_and_methods(server: Running, method: str, path: str, status: int) -> None:
    connection = server.http()
    connection.request(method, path, b"x" if method == "POST" else None)
    assert connection.getresponse().status == status
    connection.close()


def test_head_and_body_leave_in_one_segment(server: Running) -> None:
    """Two small writes cost 40 ms with delayed acknowledgements."""
    with server.raw() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
        first = connection.recv(65536)
    assert first.endswith(b"\r\n\r\nab")


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    bodies = [b"a", b"bb", b"ccc"]
    posts = [b"POST /invocations HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]
    with server.raw() as connection:
        connection.sendall(posts[0] + b"GET /ping HTTP/1.1\r\n\r\n" + posts[1] + posts[2])
        received = receive(connection, lambda data: data.endswith(b"ccc"))
    assert [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 200 OK")[1:]] == [b"a", b"", b"bb", b"ccc"]


def test_a_chunked_request_byte_by_byte(server: Running) -> None:
    """DG your-algorithms-batch-code: MaxPayloadInMB 0 streams the input in chunks."""
    text = b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
    with server.raw() as connection:
        for at in range(len(text)):
            connection.sendall(text[at : at + 1])
        assert receive(connection, lambda data: data.endswith(b"abcdefg"))


def test_expect_continue(server: Running) -> None:
    with server.raw() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        assert receive(connection, lambda data: data.endswith(b"ok")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("line", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"])
def test_the_connection_closes_when_the_peer_asks(server: Running, line: bytes) -> None:
    with server.raw() as connection:
        connection.sendall(b"POST /invocations " + line + b"Content-Length: 2\r\n\r\nok")
        assert until_closed(connection).endswith(b"ok")


def test_a_body_in_pieces_is_sent_in_chunks(server: Running) -> None:
    """RT:InvokeEndpointWithResponseStream: the container streams by chunked transfer."""
    with server.raw() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Type: stream\r\nContent-Length: 0\r\n\r\n")
        received = receive(connection, lambda data: data.endswith(b"0\r\n\r\n"))
    assert b"Transfer-Encoding: chunked" in received
    assert received.endswith(b"\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_stream_that_breaks_off_is_not_ended_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path, threads=1) as server, server.raw() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Type: broken\r\nContent-Length: 0\r\n\r\n")
        received = until_closed(connection)
    assert received.endswith(b"5\r\nbegun\r\n")
    assert "ValueError('in the middle')" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /ping HTTP/2.0\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nspace : x\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /" + b"x" * 70000, 431),
    ],
)
def test_malformed_requests_are_answered_and_cut_off(server: Running, text: bytes, status: int) -> None:
    with server.raw() as connection:
        with suppress(ConnectionError):
            connection.sendall(text)
        received = until_closed(connection)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    connection2 = server.http()
    connection2.request("GET", "/ping")
    assert connection2.getresponse().status == 200
    connection2.close()


def test_a_frames_peer_that_talks_nonsense_is_cut_off(server: Running) -> None:
    with server.framed() as connection:
        connection.sendall(b"\xff" * 64)
        assert until_closed(connection) == b""
    with server.framed() as connection:
        connection.sendall(pack(1, {"op": "ping"}, b""))
        assert frames(connection, 1)[0].header == {"status": 200}


def test_what_has_arrived_is_one_batch(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.framed() as connection:
        server.echo.gate.clear()
        connection.sendall(pack(0, {}, b"first"))
        assert server.echo.entered.wait(20)
        connection.sendall(b"".join(pack(number, {"content_type": f"t{number}"}, b"%d" % number) for number in range(1, 20)))
        server.echo.gate.set()
        found = {frame.id: frame for frame in frames(connection, 20)}
    assert server.echo.batches == [1, 19]
    assert {number: frame.body for number, frame in found.items()} == {0: b"first", **{n: b"%d" % n for n in range(1, 20)}}
    assert found[3].header["content_type"] == "t3"


def test_pings_are_answered_while_the_model_computes(tmp_path: Path) -> None:
    """DG your-algorithms-inference-code: /ping within 2 s."""
    with running(tmp_path, threads=1) as server, server.raw() as busy:
        server.echo.gate.clear()
        busy.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        assert server.echo.entered.wait(20)
        connection = server.http()
        connection.request("GET", "/ping")
        assert connection.getresponse().status == 200
        connection.close()
        server.echo.gate.set()
        assert receive(busy, lambda data: data.endswith(b"ab"))


def test_an_endless_stream_ends_when_nobody_listens(tmp_path: Path) -> None:
    with running(tmp_path, threads=1) as server:
        with server.raw() as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Type: endless\r\nContent-Length: 0\r\n\r\n")
            assert receive(connection, lambda data: len(data) > 5000)
        assert server.echo.closed.wait(20)
        again = server.http()
        again.request("POST", "/invocations", b"free")
        assert again.getresponse().read() == b"free"
        again.close()


def test_a_stream_waits_for_a_slow_reader(tmp_path: Path) -> None:
    with running(tmp_path, threads=1) as server, server.raw() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Type: endless\r\nContent-Length: 0\r\n\r\n")
        before = -1
        while before != server.echo.produced:
            before = server.echo.produced
            assert before < 200_000
            server.echo.closed.wait(0.3)
        receive(connection, lambda data: len(data) > 60_000_000)
        assert server.echo.produced > before


@pytest.mark.parametrize("threads", [0, 1])
def test_a_defect_costs_one_request(tmp_path: Path, threads: int, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path, threads) as server, server.framed() as connection:
        server.echo.gate.clear()
        connection.sendall(pack(0, {}, b"first"))
        assert server.echo.entered.wait(20)
        connection.sendall(pack(1, {}, b"good") + pack(2, {}, b"defect") + pack(3, {}, b"fine"))
        server.echo.gate.set()
        found = {frame.id: (frame.header["status"], frame.body) for frame in frames(connection, 4)}
    assert (found[1], found[3]) == ((200, b"good"), (200, b"fine"))
    assert found[2][0] == 500
    assert "a defect" in capsys.readouterr().err


def test_a_slow_reader_delays_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.framed() as slow, server.framed() as quick:
        large = bytes(MAXIMUM)
        writer = threading.Thread(target=lambda: [slow.sendall(pack(number, {}, large)) for number in range(8)])
        writer.start()
        writer.join(20)
        quick.sendall(pack(1, {}, b"quick"))
        assert frames(quick, 1)[0].body == b"quick"
        assert [len(frame.body) for frame in frames(slow, 8)] == [MAXIMUM] * 8


def test_a_peer_that_leaves_spoils_nothing(server: Running) -> None:
    for text in (b"", b"POST /inv", b"POST /invocations HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"):
        with server.raw() as connection:
            connection.sendall(text)
    with server.raw() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
    connection2 = server.http()
    connection2.request("POST", "/invocations", b"still here")
    assert connection2.getresponse().read() == b"still here"
    connection2.close()


def test_a_stop_lets_the_answer_in_hand_out(tmp_path: Path) -> None:
    """contracts.md 2.K: SIGTERM, then 30 s."""
    with running(tmp_path, threads=1) as server, server.raw() as connection:
        server.echo.gate.clear()
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        assert server.echo.entered.wait(20)
        server.server.stop()
        server.echo.gate.set()
        assert until_closed(connection).endswith(b"ab")


OTHER_THREAD = """
import os, signal, threading, time
from sagewright_container.serving.listen import serve

def stop_once_the_loop_sleeps():
    where = ""
    while "poll" not in where:
        time.sleep(0.001)
        with open(f"/proc/self/task/{os.getpid()}/wchan") as file:
            where = file.read()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=stop_once_the_loop_sleeps, daemon=True).start()
serve(None)
print("stopped")
"""


def test_a_signal_that_another_thread_catches_stops_the_sleeping_loop(tmp_path: Path) -> None:
    """The kernel may hand SIGTERM to any thread, and to the loop's own one right before it sleeps."""
    environment = MlRoot(tmp_path / "ml").environment(
        SAGEWRIGHT_FRAMES_SOCKET=str(tmp_path / "frames"), SAGEMAKER_BIND_TO_PORT="0"
    )
    command = [sys.executable, "-c", OTHER_THREAD]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.endswith("stopped\n"), done.stderr
