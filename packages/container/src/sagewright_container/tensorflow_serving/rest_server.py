"""TensorFlow Serving's REST port on loopback: a script that asks its models itself has its address as ``context.rest_uri``."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PATH = re.compile(r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+))?:(?P<method>\w+)")
Ask = Callable[[str, str, str, bytes], "tuple[int, bytes]"]
"""Model, version or "", method, body → status and document."""


class RestServer:
    """Answers until it is closed, on a port of the system's choice."""

    def __init__(self, ask: Ask) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(ask))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="rest", daemon=True).start()

    def uri(self, model: str, version: str, method: str) -> str:
        """Where a script posts what it wants to know."""
        chosen = f"/versions/{version}" if version else ""
        return f"http://localhost:{self._server.server_port}/v1/models/{model}{chosen}:{method}"

    def close(self) -> None:
        """Ends it, soon: whoever unloads a model does not wait."""
        threading.Thread(target=self._end, name="rest ends", daemon=True).start()

    def _end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(ask: Ask) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            match = _PATH.fullmatch(self.path)
            if match is None:
                status, said = 404, b'{"error": "Malformed request"}'
            else:
                status, said = ask(match["model"], match["version"] or "", match["method"], body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            """The model's answers are not the script's log."""

    return Handler
