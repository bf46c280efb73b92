"""``edge``: an agent for one device. It registers, verifies and serves a packaged model on loopback, reports, and takes what is deployed.

    python -m sagewright_container edge --fleet F --device D --package s3://bucket/packages/forest-1.0.tar.gz

POST /invocations and GET /ping answer as an endpoint's container does. Without a network it goes on with what it has.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sagewright_container.edge.capture import Capture, lines, place
from sagewright_container.edge.cloud import AWAY, Cloud
from sagewright_container.edge.endpoint import EdgeEndpoint, load
from sagewright_container.edge.failure import EdgeError
from sagewright_container.edge.package import open_package
from sagewright_container.serving.listen import serve

VERSION = "1.0"


class Agent:
    """A device's state; ``beat`` is one round of its reports."""

    def __init__(self, cloud: Cloud, folder: Path, device: str, percent: float) -> None:
        self._cloud, self._folder, self._device = cloud, folder, device
        self._capture = Capture(percent)
        self._key = b""
        self._round = 0
        self._latest_sample: float | None = None
        self._result: dict[str, Any] | None = None
        self.endpoint = EdgeEndpoint(self._capture)

    def start(self, package: str) -> None:
        """Registers, and serves ``package`` (a file or s3://…) or, without one, what is deployed. Raises EdgeError."""
        self._key = self._cloud.register()
        if package:
            self._serve(package)

    def beat(self) -> None:
        """Samples, deployments, heartbeat; what fails is said and tried again at the next round."""
        for work in (self._ship, self._deploy, self._report):
            try:
                work()
            except (ClientError, *AWAY) as error:
                print(f"edge agent: {error}", file=sys.stderr, flush=True)

    def _serve(self, package: str, sha1: str = "") -> None:
        """Every package gets a folder of its own: the one before serves until the new one answers. Raises EdgeError."""
        archive = Path(package)
        self._round += 1
        if package.startswith("s3://"):
            archive = self._folder / f"package-{self._round % 2}.tar.gz"
            self._download(package, archive, sha1)
        elif not archive.is_file():
            raise EdgeError(f"{package} is not there")
        found = open_package(archive, self._folder / f"model-{self._round % 2}", self._key)
        self.endpoint.use(load(found))
        print(f"edge agent: serves {found.name} {found.version}", flush=True)

    def _download(self, uri: str, archive: Path, sha1: str) -> None:
        """At a start without a network the package that was fetched last time serves on, if it is of this name."""
        kept, named = self._folder / "current.tar.gz", self._folder / "current.txt"
        try:
            self._cloud.download(uri, archive, sha1)
        except EdgeError:
            if self.endpoint.loaded is not None or not named.is_file() or named.read_text(encoding="utf-8") != uri:
                raise
            archive.write_bytes(kept.read_bytes())
            return
        kept.unlink(missing_ok=True)
        os.link(archive, kept)
        named.write_text(uri, encoding="utf-8")

    def _deploy(self) -> None:
        for deployment in self._cloud.deployments():
            began, definitions = time.time(), deployment.get("Definitions", [])
            failure = ""
            try:
                if len(definitions) != 1:
                    raise EdgeError(f"this agent runs one model, and {len(definitions)} are deployed")
                self._serve(definitions[0]["S3Url"], definitions[0].get("Checksum", {}).get("Sum", ""))
            except EdgeError as error:  # the model that was served goes on, whatever FailureHandlingPolicy says
                failure = str(error)
            self._result = _result(deployment["DeploymentName"], definitions, began, failure)
            self._report()

    def _report(self) -> None:
        self._cloud.heartbeat(VERSION, self.endpoint.report(self._latest_sample), self._result)
        self._result = None

    def _ship(self) -> None:
        samples = self._capture.batch()
        loaded = self.endpoint.loaded
        if not samples or loaded is None:
            return
        try:
            uri = place(self._cloud.captured_to(), self._device, loaded.package.name)
            self._cloud.upload(uri, lines(samples))
        except (ClientError, *AWAY):
            self._capture.put_back(samples)
            raise
        self._latest_sample = time.time()


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM; 1 when the device or its package is refused."""
    asked = _arguments(sys.argv[2:] if arguments is None else arguments)
    folder = Path(asked.folder).expanduser() / asked.fleet / asked.device
    folder.mkdir(parents=True, exist_ok=True)
    agent = Agent(Cloud(asked.fleet, asked.device, folder), folder, asked.device, asked.capture)
    try:
        agent.start(asked.package)
    except EdgeError as error:
        print(f"edge agent: {error}", file=sys.stderr, flush=True)
        return 1
    os.environ["SAGEMAKER_BIND_TO_PORT"] = str(asked.port)
    over = threading.Event()
    beats = threading.Thread(target=_beat, args=(agent, over, asked.heartbeat_seconds), name="heartbeat")
    beats.start()
    try:
        serve(agent.endpoint, threads=1)
    finally:
        over.set()
        beats.join()
    return 0


def _beat(agent: Agent, over: threading.Event, seconds: float) -> None:
    while True:
        agent.beat()
        if over.wait(seconds):
            return


def _result(name: str, definitions: list[dict[str, Any]], began: float, failure: str) -> dict[str, Any]:
    """SendHeartbeat's DeploymentResult."""
    outcome = {"Status": "FAIL", "StatusReason": failure} if failure else {"Status": "SUCCESS"}
    return {
        "DeploymentName": name,
        "DeploymentStatus": "FAIL" if failure else "SUCCESS",
        "DeploymentStartTime": began,
        "DeploymentEndTime": time.time(),
        "DeploymentModels": [{"ModelHandle": one["ModelHandle"], "DesiredState": "DEPLOY", **outcome} for one in definitions],
    }


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sagewright_container edge", description="Serve a packaged model on this device.")
    parser.add_argument("--fleet", required=True, help="the device fleet")
    parser.add_argument("--device", required=True, help="this device's name; registered when it is not")
    parser.add_argument("--package", default="", help="a package, file or s3://…; without one, what is deployed")
    parser.add_argument("--port", type=int, default=8080, help="on loopback, for /invocations and /ping")
    parser.add_argument("--folder", default="~/.sagewright-edge", help="where the agent keeps what it has")
    parser.add_argument("--heartbeat-seconds", type=float, default=60.0, help="between two reports")
    parser.add_argument("--capture", type=float, default=0.0, help="percent of the requests that go to the fleet's S3 prefix")
    return parser.parse_args(given)
