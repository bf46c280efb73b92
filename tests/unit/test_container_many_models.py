"""A server of many models: what it loads, refuses and unloads, by HTTP and by frames (K06; DG mms-container-apis)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from sagewright_container.serving.connection import FrameConnection, HttpConnection
from sagewright_container.serving.many_models import ManyModels, question
from sagewright_container.serving.message import Request, Response
from sagewright_container.serving.server import Listener, Server


class Word:
    """Answers with its word and the body; remembers its batches."""

    batches: list[int]

    def __init__(self, folder: Path) -> None:
        self.word = (folder / "word").read_bytes()
        self.batches = []

    def invoke(self, requests: list[Request]) -> list[Response]:
        self.batches.append(len(requests))
        return [Response(200, self.word + request.body) for request in requests]

    def ping(self) -> Response:
        return Response(200)

    def execution_parameters(self) -> Response:
        return Response(404)


class Rig:
    """Models on disk, and how much memory the process has as the test wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used = 0
        self.opened: list[Word] = []
        self.many = ManyModels(self._open, 1000, lambda: self.used)

    def _open(self, folder: Path) -> Word:
        self.opened.append(Word(folder))
        return self.opened[-1]

    def body(self, name: str) -> bytes:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        (path / "word").write_text(name)
        return json.dumps({"model_name": name, "url": str(path)}).encode()

    def load(self, name: str) -> int:
        return self.operate("load_model", body=self.body(name)).status

    def operate(self, operation: str, model: str = "", body: bytes = b"") -> Response:
        (answer,) = self.many.invoke([Request(body, model=model, operation=operation)])
        return answer

    def ask(self, *models: str) -> list[tuple[int, Any]]:
        return [(answer.status, answer.body) for answer in self.many.invoke([Request(b"!", model=name) for name in models])]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class TestModels:
    def test_a_model_is_loaded_asked_and_unloaded(self, rig: Rig) -> None:
        assert rig.ask("a")[0][0] == 404
        assert [rig.load("a"), rig.load("a")] == [200, 409]
        assert rig.ask("a") == [(200, b"a!")]
        assert json.loads(rig.operate("describe_model", "a").body)["modelName"] == "a"  # type: ignore[arg-type]
        assert rig.operate("unload_model", "a").status == 200
        assert rig.operate("unload_model", "a").status == 404
        assert rig.ask("a")[0][0] == 404

    def test_requests_of_one_model_are_one_batch(self, rig: Rig) -> None:
        rig.load("a"), rig.load("b")
        assert [body for _, body in rig.ask("a", "b", "a", "none", "a")][:3] == [b"a!", b"b!", b"a!"]
        assert [word.batches for word in rig.opened] == [[3], [1]]

    def test_operations_keep_their_place(self, rig: Rig) -> None:
        load = Request(rig.body("a"), operation="load_model")
        unload = Request(b"", model="a", operation="unload_model")
        ask = Request(b"!", model="a")
        answers = rig.many.invoke([ask, load, ask, unload, ask])
        assert [answer.status for answer in answers] == [404, 200, 200, 200, 404]

    def test_no_memory_is_507_until_another_leaves(self, rig: Rig) -> None:
        rig.used = 5000
        assert rig.load("a") == 200, "one model must always find room"
        assert rig.load("b") == 507
        rig.operate("unload_model", "a")
        assert rig.load("b") == 200

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model_name": "a"}', b"\xff"])
    def test_nonsense_is_refused(self, rig: Rig, body: bytes) -> None:
        assert rig.operate("load_model", body=body).status == 400

    def test_a_model_that_cannot_be_read_is_500_and_not_there(self, rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
        answer = rig.operate("load_model", body=json.dumps({"model_name": "a", "url": "/nowhere"}).encode())
        assert answer.status == 500
        assert "Unable to load model" in capsys.readouterr().err
        assert rig.ask("a")[0][0] == 404

    def test_lists_come_in_pages(self, rig: Rig) -> None:
        for number in range(1001):
            rig.many._models[f"{number:04}"] = (Word.__new__(Word), "u")
        first = json.loads(rig.operate("list_models").body)  # type: ignore[arg-type]
        rest = json.loads(rig.operate("list_models", first["nextPageToken"]).body)  # type: ignore[arg-type]
        assert (len(first["models"]), [model["modelName"] for model in rest["models"]]) == (1000, ["1000"])


@contextmanager
def running(rig: Rig, unix_path: Path) -> Iterator[HTTPConnection]:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(unix_path))
        unix.listen()
        listeners = [
            Listener(tcp, lambda: HttpConnection(rig.many, 1 << 20)),
            Listener(unix, lambda: FrameConnection(rig.many)),
        ]
        server = Server(rig.many, listeners, 1)
        thread = threading.Thread(target=server.run)
        thread.start()
        connection = HTTPConnection("127.0.0.1", tcp.getsockname()[1], timeout=20)
        try:
            yield connection
        finally:
            connection.close()
            server.stop()
            thread.join(20)


def test_the_published_interface(rig: Rig, tmp_path: Path) -> None:
    """Every line of the guide's table of APIs."""
    with running(rig, tmp_path / "f") as http:

        def ask(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
            http.request(method, path, body)
            answer = http.getresponse()
            return answer.status, answer.read()

        assert ask("GET", "/ping")[0] == 200
        assert ask("POST", "/models", rig.body("a"))[0] == 200
        assert ask("POST", "/models", rig.body("a"))[0] == 409
        assert ask("POST", "/models/a/invoke", b"!") == (200, b"a!")
        assert json.loads(ask("GET", "/models")[1])["models"] == [{"modelName": "a", "modelUrl": str(tmp_path / "a")}]
        assert ask("GET", "/models?next_page_token=a") == (200, b'{"models": []}')
        assert ask("GET", "/models/a")[0] == 200
        assert ask("DELETE", "/models/a")[0] == 200
        assert ask("POST", "/models/a/invoke", b"!")[0] == 404
        assert ask("PUT", "/models/a")[0] == 404
        assert ask("POST", "/models/a/b/c")[0] == 404


def test_only_a_server_of_many_models_has_these_ways(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("a")
    connection = HttpConnection(Word(tmp_path), 1 << 20)
    assert connection.receive(b"POST /models HTTP/1.1\r\nContent-Length: 0\r\n\r\n") == []
    assert connection.outgoing.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/models/a"), ("GET", "/models/a/invoke"), ("POST", "/models/a/b/invoke")]
)
def test_other_ways_lead_nowhere(method: str, path: str) -> None:
    assert question(method, path, "", Request(b"")) is None
