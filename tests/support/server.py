"""A real server for a test: its own data folder, its own port, real processes; killed piece by piece where a test wants it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import boto3
import botocore.config
import psutil

from sagewright.cli.server import healthy
from sagewright.compute import trees
from sagewright.compute.retirement import remove_all
from sagewright.objects.weed import Ports
from sagewright.settings import Settings, free_port
from sagewright.supervisor import describe_running
from sagewright.wire.credentials import Keyring
from support.users import User

T = TypeVar("T")
SOURCES = [str(Path(__file__).parents[2] / "packages" / name / "src") for name in ("sagewright", "container", "algorithms")]
ROLE = "arn:aws:iam::123456789012:role/SagewrightExecutionRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


class Server:
    """`sagewright up` for a test. ``overrides`` are settings by name; ``user`` is who runs it when that is not who tests."""

    def __init__(self, user: User | None = None, **overrides: Any) -> None:
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix="sw-"))
        self.settings = Settings.from_env({}, **{"data": self.folder / "data", "port": free_port("127.0.0.1"), **overrides})
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        self.settings.make_folders()
        log = (self.settings.run / "supervisor.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*self._prefix(), sys.executable, "-m", "sagewright.supervisor"],
                env=self.process_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_until_healthy()
        return self

    def _prefix(self) -> list[str]:
        if self.user is None:
            return []
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, self.user.number, self.user.number)
        return self.user.prefix

    def process_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_"))}
        return {**kept, **self.settings.environment(), "PYTHONPATH": os.pathsep.join(SOURCES)}

    def client_environment(self) -> dict[str, str]:
        """What `sagewright env` would export, over the rest of this process's environment."""
        text = subprocess.run(
            [sys.executable, "-m", "sagewright", "env"],
            env=self.process_environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        shell = subprocess.run(
            ["/bin/sh", "-c", f"{text}\n{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"],
            env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_", "PYTHON"))},
            check=True,
            capture_output=True,
            text=True,
        )
        found: dict[str, str] = json.loads(shell.stdout)
        return found

    def wait_until_healthy(self, seconds: float = 60.0) -> None:
        def check() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}\n{self.logs()}")
            return describe_running(self.settings) is not None and healthy(self.settings)

        eventually(check, seconds, lambda: f"the server is not healthy\n{self.logs()}")

    def logs(self) -> str:
        return "\n".join(
            f"== {file.name}\n{file.read_text(errors='replace')[-6000:]}" for file in sorted(self.settings.run.glob("*.log"))
        )

    def pid(self, part: str) -> int:
        """The process id of control, front-1, objects …"""
        record = describe_running(self.settings)
        assert record is not None
        pid = record["parts"][part]["pid"]
        assert pid is not None
        return int(pid)

    def kill(self, part: str) -> None:
        """kill -9; the supervisor starts it again."""
        os.kill(self.pid(part), signal.SIGKILL)

    def kill_everything(self) -> None:
        """kill -9 of the supervisor and all its parts; containers have shims of their own and live on."""
        record = describe_running(self.settings)
        assert record is not None
        pids = [record["pid"], *(part["pid"] for part in record["parts"].values() if part["pid"])]
        processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        below = [child for process in processes for child in process.children(recursive=True) if _is_weed(child)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([*processes, *below], timeout=10)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def remove(self) -> None:
        """Ends everything of the data folder, training that would go on and what a kill left over too, and deletes it."""
        self.stop()
        remove_all(self.settings.jobs)
        self._remove_sockets_of_seaweed()
        shutil.rmtree(self.settings.sockets, ignore_errors=True)
        trees.remove(self.folder)

    def _remove_sockets_of_seaweed(self) -> None:
        """A SeaweedFS that was killed leaves them in /tmp; the next one on the same folder would remove them."""
        ports = self.settings.objects / "ports.json"
        if ports.exists():
            Ports(**json.loads(ports.read_text())).remove_sockets()

    def keys(self) -> tuple[str, str]:
        """Access key and secret of the generated key pair."""
        first = Keyring.open(self.settings.credentials, self.settings.account, self.settings.region).first
        return first.access_key, first.secret

    def client(self, service: str, **arguments: Any) -> Any:
        access_key, secret = self.keys()
        given = {
            "region_name": self.settings.region,
            "endpoint_url": self.settings.url,
            "aws_access_key_id": access_key,
            "aws_secret_access_key": secret,
            "config": botocore.config.Config(proxies={}, read_timeout=80, retries={"max_attempts": 1}),
            **arguments,
        }
        return boto3.session.Session().client(service, **given)


def _is_weed(process: psutil.Process) -> bool:
    """What control starts for a moment may be gone by now."""
    try:
        return bool(process.name() == "weed")
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def running_server(**overrides: Any) -> Iterator[Server]:
    """Starts a server, and leaves nothing of it behind."""
    server = Server(**overrides)
    try:
        yield server.start()
    finally:
        server.remove()


def eventually(check: Callable[[], T], seconds: float = 30.0, why: Callable[[], str] = lambda: "it did not happen") -> T:
    """Polls until ``check`` gives something true; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(why())
        time.sleep(0.02)
