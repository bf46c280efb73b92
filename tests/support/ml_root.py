"""A folder that stands for /opt/ml, and the toolkit's commands run on it as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from pathlib import Path
from socket import socket
from time import monotonic

from sagewright_algorithms import manifest
from support.forks import forks

SOURCES = [str(Path(__file__).parents[2] / "packages" / name / "src") for name in ("container", "algorithms")]


class MlRoot:
    """``/opt/ml`` of one container."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "input" / "config").mkdir(parents=True)

    def write(self, path: str, content: str | bytes) -> Path:
        """A file below the root, with its folders."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def configure(self, hyperparameters: Mapping[str, str], **channels: str) -> None:
        """``channels``: content type by name."""
        self.write("input/config/hyperparameters.json", json.dumps(hyperparameters))
        given = {
            name: {
                "ContentType": content_type,
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for name, content_type in channels.items()
        }
        self.write("input/config/inputdataconfig.json", json.dumps(given))
        hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
        self.write("input/config/resourceconfig.json", json.dumps(hosts))

    def archive(self, path: str, **files: str) -> None:
        """A tar.gz with the given files (``train_py`` means ``train.py``)."""
        buffer = BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo("./" + ".".join(name.rsplit("_", 1)))
                member.size = len(content.encode())
                tar.addfile(member, BytesIO(content.encode()))
        self.write(path, buffer.getvalue())

    def failure(self) -> str:
        """The reason the job left, or ""."""
        file = self.folder / "output" / "failure"
        return file.read_text() if file.exists() else ""

    def environment(self, **more: str) -> dict[str, str]:
        """For a process of the toolkit on this root."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ}
        return {**kept, "PYTHONPATH": os.pathsep.join(SOURCES), "SAGEWRIGHT_ML_ROOT": str(self.folder), **more}

    def train(self, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        """``python -m sagewright_container train`` to its end, which comes within so many seconds.

        Algorithms on torch run in a fork that has it imported.
        """
        given = self.environment(**environment)
        algorithm = environment.get("SAGEWRIGHT_ALGORITHM", "")
        if algorithm in manifest.names() and manifest.load(algorithm).environment == "torch":
            return forks("torch", given["PYTHONPATH"]).run(["train"], given, timeout)
        return self.train_alone(timeout, **environment)

    def train_alone(self, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same always in a process of its own."""
        command = [sys.executable, "-m", "sagewright_container", "train"]
        given = self.environment(**environment)
        return subprocess.run(command, env=given, capture_output=True, text=True, timeout=timeout, check=False)

    @contextmanager
    def serving(self, **environment: str) -> Iterator[Served]:
        """``python -m sagewright_container serve``, ready."""
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "sagewright_container", "serve"]
        with (self.folder / "serve.log").open("wb") as log:
            given = self.environment(SAGEMAKER_BIND_TO_PORT=str(port), **environment)
            process = subprocess.Popen(command, env=given, stdout=log, stderr=log)
        served = Served(process, port, self.folder / "serve.log")
        try:
            served.wait_until_ready()
            yield served
        finally:
            process.terminate()
            process.wait(20)


class Served:
    """A container's server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def wait_until_ready(self) -> None:
        """Until GET /ping answers 200."""
        deadline = monotonic() + 60
        while self.process.poll() is None and monotonic() < deadline:
            try:
                if self.call("GET", "/ping").status == 200:
                    return
            except ConnectionRefusedError:
                self.process.poll()
        raise AssertionError(f"the server does not answer:\n{self.log()}")

    def log(self) -> str:
        """What the server has written so far."""
        return self._log.read_text()

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own (``Content_Type`` is the header Content-Type)."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str = "text/csv", **headers: str) -> Answer:
        """POST /invocations."""
        return self.call("POST", "/invocations", body, Content_Type=content_type, **headers)


class Answer:
    """Status, headers and the whole body."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
