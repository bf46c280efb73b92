"""Several worker processes behind one server: ``SAGEMAKER_MODEL_SERVER_WORKERS``.

The parent keeps the sockets and answers pings; a request goes to a worker that is idle. One that dies answers 500 and is replaced.
(Workers that all accept on one socket do not share the work: whoever is awake takes every connection, busy or not.)
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from queue import SimpleQueue

from sagewright_container.serving.frames import Frame, pack
from sagewright_container.serving.message import Request, Response
from sagewright_container.serving.worker import frames

_STOPPED_WITHIN = 25


class WorkerDiedError(Exception):
    """A worker process ended while it was needed."""


class Workers:
    """An endpoint that hands each request to one of ``count`` processes; call it from as many threads.

    A process that says nothing for ``patience`` seconds is killed and replaced.
    """

    def __init__(self, count: int, patience: float | None = None) -> None:
        self._count = count
        self._patience = patience
        self._all: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()

    def start(self) -> None:
        """Returns when every worker has loaded the model. Raises WorkerDiedError when one cannot."""
        self._all = [_Worker() for _ in range(self._count)]
        for worker in self._all:
            worker.wait_until_ready()
            self._idle.put(worker)

    def close(self) -> None:
        """Ends the workers: each finishes what it has in hand."""
        for worker in self._all:
            worker.close()

    def invoke(self, requests: list[Request]) -> list[Response]:
        """One after the other, each by the next idle worker."""
        return [self._answer(request) for request in requests]

    def ping(self) -> Response:
        """Some worker has loaded the model."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """A script has no opinion."""
        return Response(404, b"Not Found")

    def _answer(self, request: Request) -> Response:
        worker = self._idle.get()
        try:
            head = worker.ask(request, self._patience)
        except WorkerDiedError as error:
            self._replace(worker)
            return Response(500, str(error).encode())
        if head.header.get("more"):
            return _response(head, self._pieces(worker))
        self._idle.put(worker)
        return _response(head, head.body)

    def _pieces(self, worker: _Worker) -> Iterator[bytes]:
        """The worker is idle again when its stream has ended. Raises WorkerDiedError when it breaks off."""
        try:
            while (frame := worker.receive()).header.get("more"):
                yield frame.body
        except (WorkerDiedError, GeneratorExit):  # the latter: nobody listens any more, and the worker is in mid-sentence
            self._replace(worker)
            raise
        self._idle.put(worker)
        if frame.header.get("broken"):
            raise WorkerDiedError("the response stream broke off")

    def _replace(self, worker: _Worker) -> None:
        """A worker that cannot even load the model stays in its place: the next request tries again."""
        if self._patience:
            worker.process.kill()  # it may be in the middle of what took too long
        print(f"worker {worker.process.pid} ended with {worker.close()}", file=sys.stderr, flush=True)
        successor = _Worker()
        self._all[self._all.index(worker)] = successor
        with suppress(WorkerDiedError):
            successor.wait_until_ready()
        self._idle.put(successor)


class _Worker:
    """One process and the socket to it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "sagewright_container.serving.worker", str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=_environment())
        self._frames = frames(self._socket)

    def wait_until_ready(self) -> None:
        """Raises WorkerDiedError."""
        self.receive()

    def ask(self, request: Request, patience: float | None) -> Frame:
        """The answer, or its head when the body follows in pieces. Raises WorkerDiedError."""
        self._socket.settimeout(patience)
        header = {
            "content_type": request.content_type,
            "accept": request.accept,
            "custom_attributes": request.custom_attributes,
            "inference_id": request.inference_id,
        }
        try:
            self._socket.sendall(pack(1, header, request.body))
        except OSError as error:
            raise WorkerDiedError("the worker process has ended") from error
        return self.receive()

    def receive(self) -> Frame:
        """The next frame. Raises WorkerDiedError."""
        frame: Frame | None = None
        try:
            with suppress(ConnectionError):
                frame = next(self._frames, None)
        except TimeoutError as error:
            raise WorkerDiedError(f"the worker process did not answer within {self._socket.gettimeout():g} seconds") from error
        if frame is None:
            raise WorkerDiedError("the worker process has ended")
        return frame

    def close(self) -> int:
        """Its exit code."""
        self._socket.close()
        try:
            return self.process.wait(_STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _environment() -> dict[str, str]:
    """The worker finds the toolkit where this process found it, which need not be on the interpreter's own path."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _response(head: Frame, body: bytes | Iterator[bytes]) -> Response:
    get = head.header.get
    return Response(int(get("status", 500)), body, str(get("content_type", "")), str(get("custom_attributes", "")))
