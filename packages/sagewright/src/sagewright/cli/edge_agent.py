"""``edge-agent``: runs the agent of ``sagewright_container.edge`` on this machine, as a device of the running server."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from sagewright.cli.client import connect
from sagewright.cli.environment import client_environment
from sagewright.cli.options import Data, settings_or_exit


def edge_agent(
    fleet: Annotated[str, typer.Option(help="The device fleet.", show_default=False)],
    device: Annotated[str, typer.Option(help="This device's name; registered when it is not.", show_default=False)],
    package: Annotated[str, typer.Option(help="A package, file or s3://…; without one, what is deployed.")] = "",
    port: Annotated[int, typer.Option(help="On loopback, for /invocations and /ping.")] = 8080,
    heartbeat_seconds: Annotated[float, typer.Option(help="Between two reports.")] = 60.0,
    capture: Annotated[float, typer.Option(help="Percent of the requests that go to the fleet's S3 prefix.")] = 0.0,
    data: Data = None,
) -> None:
    """Serve a packaged model as a device of a fleet, until it is told to stop."""
    settings = connect(settings_or_exit(data=data))
    environment = {**os.environ, **client_environment(settings)}
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        environment.pop(name, None)
    options = {
        "--fleet": fleet,
        "--device": device,
        "--package": package,
        "--port": str(port),
        "--heartbeat-seconds": str(heartbeat_seconds),
        "--capture": str(capture),
        "--folder": str(settings.data / "edge"),
    }
    words = [word for name, value in options.items() for word in (name, value)]
    os.execve(sys.executable, [sys.executable, "-m", "sagewright_container", "edge", *words], environment)
