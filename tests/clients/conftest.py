"""One server for all client tests of a worker, and the environments the clients live in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

import pytest
from support import images
from support.server import Server, running_server

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".clients"
PROGRAMS = Path(__file__).parent / "programs"


class RunProgram(Protocol):
    """(client environment, program, its arguments) -> what it printed. ``variables`` are what it finds beside its own environment."""

    def __call__(
        self,
        environment: str,
        program: str,
        *arguments: str,
        through: Literal["run", "env"] = "run",
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> str: ...


FILE_SYSTEM = "fs-0123456789abcdef0"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory behind FILE_SYSTEM."""
    folder = tmp_path_factory.mktemp("file-system")
    folder.chmod(0o755)
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and parent.name.startswith(("pytest", "popen")):
            parent.chmod(parent.stat().st_mode | 0o011)  # a container's user goes through them
    return folder


@pytest.fixture(scope="session")
def server(shared_folder: Path) -> Iterator[Server]:
    with running_server(file_systems=f"{FILE_SYSTEM}={shared_folder}") as started:
        yield started


@pytest.fixture
def run_program(server: Server, tmp_path: Path) -> RunProgram:
    """Runs a program of tests/clients/programs, unchanged, as `sagewright run` does, or in a shell as `sagewright env` sets it up."""

    def run(
        environment: str,
        program: str,
        *arguments: str,
        through: Literal["run", "env"] = "run",
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        command = [str(python_of(environment)), str(PROGRAMS / program), *arguments]
        if through == "run":
            return finish(
                [sys.executable, "-m", "sagewright", "run", "--", *command], {**server.process_environment(), **variables}
            )
        return finish(command, {**server.client_environment(), **variables})

    def finish(command: list[str], environment: dict[str, str]) -> str:
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}\n{server.logs()}"
        return done.stdout

    return run


def python_of(environment: str) -> Path:
    """The interpreter of a client environment."""
    python = ENVIRONMENTS / environment / "bin" / "python"
    if not python.exists():
        pytest.fail(f"there is no {environment} environment: make clients")
    return python


@pytest.fixture(scope="session")
def own_image(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The repository of an image that was built and pushed as users do."""
    if images.WHY_NOT:
        pytest.skip(images.WHY_NOT)
    registry, name = images.Registry(server, tmp_path_factory.mktemp("user") / "podman"), "client/mean"
    registry.podman.build("mean", images.MEAN, {**images.python_files(), "train": images.TRAIN, "serve": images.SERVE})
    registry.ecr.create_repository(repositoryName=name)
    registry.push("mean", name)
    return name
