"""Several clients that ask an endpoint without a pause, over connections of their own, and keep what was not answered with 200."""

from __future__ import annotations

import http.client
import threading
from types import TracebackType

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.server import Server


class Pressure:
    """``answers`` counts bodies by what they say, ``failures`` holds everything else."""

    def __init__(self, server: Server, endpoint: str, body: bytes, clients: int = 4) -> None:
        self._address = server.settings.url.removeprefix("http://")
        self._path = f"/endpoints/{endpoint}/invocations"
        self._headers = self._signed(server, body)
        self._body = body
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        self.answers: dict[bytes, int] = {}
        self.failures: list[str] = []

    def __enter__(self) -> Pressure:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def asked(self) -> int:
        """How many have been answered, or not."""
        with self._lock:
            return sum(self.answers.values()) + len(self.failures)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=90)
        while not self._stop.is_set():
            try:
                connection.request("POST", self._path, self._body, self._headers)
                answer = connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as problem:
                self._note_failure(repr(problem))
                connection.close()
                continue
            if answer.status == 200:
                with self._lock:
                    self.answers[said] = self.answers.get(said, 0) + 1
            else:
                self._note_failure(f"{answer.status} {said[:200]!r}")
        connection.close()

    def _note_failure(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)

    def _signed(self, server: Server, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "text/csv", "Host": self._address}
        request = AWSRequest("POST", f"{server.settings.url}{self._path}", data=body, headers=headers)
        SigV4Auth(Credentials(*server.keys()), "sagemaker", "us-east-1").add_auth(request)
        return dict(request.headers.items())
