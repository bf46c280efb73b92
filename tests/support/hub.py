"""The Hugging Face Hub on 127.0.0.1 with one model, for clients that cannot be told another address than https://huggingface.co.

They are given a proxy by the variables that every HTTP client reads. It ends the tunnel to huggingface.co itself, with a certificate of an
authority made on the spot, and refuses every other host, so that nothing leaves this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trustme

HOST = "huggingface.co"
_PATIENCE = 30.0
"""Seconds that a connection may be silent."""


@dataclass
class Hub:
    """``model`` is its id on the Hub, ``files`` are its by name. ``asked`` are the paths that clients got, ``refused`` other hosts."""

    model: str
    files: Mapping[str, bytes]
    task: str = "text-generation"
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def commit(self) -> str:
        """Names this content, as a revision of the repository."""
        return hashlib.sha1(b"".join(_oid(content).encode() for content in self.files.values())).hexdigest()

    def answer(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        """A body and its headers; None where the Hub has nothing."""
        revision = f"(?:main|{self.commit})"
        if re.fullmatch(f"/api/models/{self.model}(?:/revision/{revision})?", path):
            return _json(self._described())
        if re.fullmatch(f"/api/models/{self.model}/tree/{revision}/?", path):
            return _json([_entry(name, content) for name, content in self.files.items()])
        file = re.fullmatch(f"/{self.model}/(?:raw|resolve)/{revision}/(.+)", path)
        if file is None or file[1] not in self.files:
            return None
        content = self.files[file[1]]
        return content, {"Content-Type": "application/octet-stream", "ETag": f'"{_oid(content)}"', "X-Repo-Commit": self.commit}

    def _described(self) -> dict[str, Any]:
        return {
            "id": self.model,
            "modelId": self.model,
            "author": self.model.partition("/")[0],
            "sha": self.commit,
            "private": False,
            "gated": False,
            "disabled": False,
            "pipeline_tag": self.task,
            "library_name": "transformers",
            "tags": ["transformers", "safetensors", self.task],
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": name} for name in self.files],
        }


@contextlib.contextmanager
def running_hub(model: str, files: Mapping[str, bytes], folder: Path) -> Iterator[Hub]:
    """``folder`` gets the authority's certificate and the clients' caches."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    hub = Hub(model, files)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, context)) as server:
        hub.variables = _variables(server.server_port, certificate, folder)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _variables(port: int, certificate: Path, folder: Path) -> dict[str, str]:
    proxy = f"http://127.0.0.1:{port}"
    return {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
        **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(certificate)),
        "HF_HOME": str(folder / "hugging-face"),
    }


def _handler(hub: Hub, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(_Tunnel):
        pass

    Handler.hub, Handler.context = hub, context
    return Handler


class _Tunnel(BaseHTTPRequestHandler):
    """One connection: CONNECT first, and what then comes is the Hub's."""

    hub: Hub
    context: ssl.SSLContext
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    _inside: ssl.SSLSocket | None = None

    def do_CONNECT(self) -> None:
        if self.path != f"{HOST}:443":
            self.hub.refused.append(self.path)
            self.send_error(403, "Nothing but the Hub is here")
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self._inside = self.context.wrap_socket(self.connection, server_side=True)
        self._inside.settimeout(_PATIENCE)
        self.connection = self._inside
        self.rfile, self.wfile = self._inside.makefile("rb"), self._inside.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        self.send_error(404, "The Hub takes nothing here")

    def _answer(self, with_body: bool) -> None:
        found = self.hub.answer(urlsplit(self.path).path) if self._inside else None
        if self._inside is None:
            self.hub.refused.append(self.path)
        elif with_body and found:
            self.hub.asked.append(urlsplit(self.path).path)
        body, headers = found or (b'{"error":"Entry not found"}', {"X-Error-Code": "EntryNotFound"})
        self.send_response(200 if found else 404)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        if self._inside is not None:
            self._inside.close()

    def log_message(self, format: str, *args: Any) -> None:
        """What was asked is in the Hub's lists."""


def _json(value: Any) -> tuple[bytes, dict[str, str]]:
    return json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"}


def _entry(name: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(content), "oid": _oid(content)}


def _oid(content: bytes) -> str:
    """git's name of a file's content: the Hub's ETag of files that are not LFS's."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
