"""Opening the sockets that AWS's container contract and the front process expect."""

from __future__ import annotations

import errno
import os
import signal
import socket
from pathlib import Path

from sagewright_container.serving.connection import FrameConnection, HttpConnection
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.server import Listener, Server

_BACKLOG = 512
_DEFAULT_MAXIMUM_MB = 100
_UNLIMITED_MB = 1 << 20


def serve(endpoint: Endpoint, threads: int = 0) -> None:
    """Answers on the frames socket (``SAGEWRIGHT_FRAMES_SOCKET``, if set) and on HTTP until SIGTERM.

    Raises OSError when neither way can be opened.
    """
    frames = os.environ.get("SAGEWRIGHT_FRAMES_SOCKET")
    listeners = [frame_listener(Path(frames), endpoint)] if frames else []
    http = _open_http(optional=bool(frames))
    if http is not None:
        listeners.append(Listener(http, lambda: HttpConnection(endpoint, maximum_body())))
    server = Server(endpoint, listeners, threads)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    # A signal that comes right before the loop sleeps, or to another thread, would not be looked at until the next request.
    signal.set_wakeup_fd(server.wake_descriptor, warn_on_full_buffer=False)
    try:
        server.run()
    finally:
        signal.set_wakeup_fd(-1)


def batch_threads() -> int:
    """For ``serve``, of an endpoint whose model may predict on several threads at once: in batch transform payloads are large and few,
    and each leaves the interpreter to the others while it predicts; otherwise one loop that answers batches is the fastest."""
    return len(os.sched_getaffinity(0)) if os.environ.get("SAGEMAKER_BATCH") else 0


def frame_listener(path: Path, endpoint: Endpoint) -> Listener:
    """Listens on a Unix socket."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(_BACKLOG)
    return Listener(listener, lambda: FrameConnection(endpoint))


def http_socket() -> socket.socket:
    """The TCP socket of ``SAGEMAKER_BIND_TO_PORT`` (8080), on loopback unless ``SAGEWRIGHT_BIND_ADDRESS`` says otherwise."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        address = os.environ.get("SAGEWRIGHT_BIND_ADDRESS", "127.0.0.1")
        listener.bind((address, int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def maximum_body() -> int:
    """Bytes: ``SAGEMAKER_MAX_PAYLOAD_IN_MB`` (0: as much as comes, in chunks), else the 100 MB that batch transform may send."""
    return (int(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or _DEFAULT_MAXIMUM_MB) or _UNLIMITED_MB) << 20


def _open_http(optional: bool) -> socket.socket | None:
    """Without a network namespace another endpoint may hold the port: a server that has frames goes on without HTTP."""
    try:
        return http_socket()
    except OSError as error:
        if not optional or error.errno != errno.EADDRINUSE:
            raise
        print(f"HTTP is not served: {error}", flush=True)
        return None
