"""What is documented is executed: the README's boto3 example and commands run, unchanged, against a server of their own. Feature row A04."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server, running_server

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def example(server: Server) -> str:
    """What the boto3 example printed."""
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", code], env=server.client_environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr + server.logs()
    return done.stdout


def blocks(language: str) -> list[str]:
    """The code blocks that are marked to run."""
    return re.findall(rf"<!-- runs in tests/docs -->\n```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def sagewright(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sagewright", *arguments],
        env=server.process_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_boto3_example_runs(example: str) -> None:
    assert float(example) > 0.5


def test_the_commands_run(server: Server, example: str) -> None:
    (block,) = blocks("console")
    lines = [shlex.split(line.removeprefix("$ "), comments=True) for line in block.splitlines()]
    assert {program for program, *_ in lines} == {".venv/bin/sagewright"}
    printed = {}
    for _, command, *arguments in lines:
        done = sagewright(server, command, *arguments)
        # doctor's 1 means that this machine has no sandbox, which is an answer.
        assert done.returncode == 0 or (command, done.returncode) == ("doctor", 1), done.stderr
        printed[command] = done.stdout
    assert server.settings.url in printed["status"]
    assert "train-error" in printed["logs"] or "train-logloss" in printed["logs"], printed["logs"]
    assert "bubblewrap" in printed["doctor"]
    assert not server.settings.jobs.exists()


def test_every_command_it_names_exists(server: Server) -> None:
    shown = re.findall(r"`[^`\n]+`|^\$.*$", README.read_text(), re.MULTILINE)
    named = {found[1] for text in shown if (found := re.search(r"\bsagewright ([a-z]+)", text))}
    helped = sagewright(server, "--help").stdout
    assert {"up", "down", "env", "run", "logs"} <= named
    assert [command for command in named if not re.search(rf"\b{command}\b", helped)] == []
