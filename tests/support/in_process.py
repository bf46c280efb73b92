"""Jobs and endpoints of the torch algorithms in the test's own process: a process of their own imports torch for seconds."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest

from sagewright_container.serving.message import Request, Response
from support.ml_root import MlRoot


class Workshop:
    """One algorithm on one /opt/ml."""

    def __init__(
        self, algorithm: str, root: MlRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.root = root
        self._package = f"sagewright_algorithms.{algorithm}"
        self._capsys = capsys
        monkeypatch.setenv("SAGEWRIGHT_ML_ROOT", str(root.folder))

    def train(self) -> str:
        """The log of a job that succeeds."""
        code = self._run()
        log = self._capsys.readouterr().out
        assert code == 0, log
        return log

    def fails(self, words: str) -> None:
        """The job is refused for what the user sent."""
        assert self._run() == 2, self._capsys.readouterr().out
        assert self.root.failure().startswith("ClientError: ")
        assert words in self.root.failure()

    def endpoint(self) -> Asked:
        """The endpoint of the model."""
        module = import_module(f"{self._package}.serve")
        return Asked(module.open_endpoint(self.root.folder / "model"))

    def model(self) -> dict[str, bytes]:
        """The files of the artifact."""
        return {file.name: file.read_bytes() for file in (self.root.folder / "model").iterdir()}

    def _run(self) -> int:
        code: int = import_module(f"{self._package}.train").main()
        return code


class Asked:
    """Asks an endpoint."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def all(self, *requests: Request) -> list[Response]:
        """What arrived together."""
        found: list[Response] = self._endpoint.invoke(list(requests))
        return found

    def body(self, body: bytes, content_type: str = "application/json", accept: str = "") -> bytes:
        """The body of an answer that is a 200."""
        (answer,) = self.all(Request(body, content_type, accept))
        assert answer.status == 200, answer.body
        assert isinstance(answer.body, bytes)
        return answer.body

    def predictions(self, *instances: dict[str, Any]) -> list[dict[str, Any]]:
        """By JSON."""
        found: list[dict[str, Any]] = json.loads(self.body(json.dumps({"instances": instances}).encode()))["predictions"]
        return found

    def status(self, body: bytes, content_type: str, accept: str = "") -> int:
        """Of one request."""
        return self.all(Request(body, content_type, accept))[0].status
