"""Every example runs, unchanged, in a shell that `sagewright env` has set up. Feature rows A04, G01, G03, K02, K05."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server, running_server

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def run(server: Server, python: str, program: Path, folder: Path, **environment: str) -> str:
    """What the program printed; its end and the server's log when it fails."""
    done = subprocess.run(
        [python, str(program)],
        cwd=folder,
        env={**server.client_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{server.logs()}"
    return done.stdout


def accuracy(output: str) -> float:
    found = re.search(r"accuracy of \d+ .*: (\S+)$", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1])


def test_boto3_main_job(server: Server, tmp_path: Path) -> None:
    output = run(server, sys.executable, EXAMPLES / "boto3_main_job.py", tmp_path)
    assert accuracy(output) > 0.9
    assert server.client("sagemaker").list_endpoints()["Endpoints"] == []


def mean_reward(server: Server, folder: Path, steps: int) -> float:
    python = ROOT / ".clients" / "sdk2" / "bin" / "python"
    if not python.exists():
        pytest.fail("there is no sdk2 environment: make clients")
    output = run(server, str(python), EXAMPLES / "reinforcement_learning" / "run.py", folder, STEPS=str(steps))
    found = re.search(r"mean reward of an episode: (\S+)$", output, re.MULTILINE)
    assert found is not None, output
    print(f"mean reward {found[1]} after {steps} steps")
    return float(found[1])


@pytest.mark.clients
def test_reinforcement_learning(server: Server, tmp_path: Path) -> None:
    """The RL images' contract; a policy of a few steps balances for a moment."""
    assert 8 <= mean_reward(server, tmp_path, 2048) <= 500


@pytest.mark.clients
@pytest.mark.slow
def test_reinforcement_learning_reaches_its_mark(server: Server, tmp_path: Path) -> None:
    """CartPole-v1, PPO, 60 000 steps (algorithms.md 5, rl): 500 (the most there is) in 101 s on two shared cores."""
    assert mean_reward(server, tmp_path, 60_000) >= 350


@pytest.mark.clients
def test_script_mode(server: Server, tmp_path: Path) -> None:
    python = ROOT / ".clients" / "sdk2" / "bin" / "python"
    if not python.exists():
        pytest.fail("there is no sdk2 environment: make clients")
    output = run(server, str(python), EXAMPLES / "script_mode" / "run.py", tmp_path)
    assert accuracy(output) > 0.9


@pytest.mark.clients
@pytest.mark.slow
def test_sparse_topics(server: Server, tmp_path: Path) -> None:
    python = ROOT / ".clients" / "sdk2" / "bin" / "python"
    if not python.exists():
        pytest.fail("there is no sdk2 environment: make clients")
    output = run(server, str(python), EXAMPLES / "sparse_topics.py", tmp_path)
    for algorithm in ("lda", "ntm"):
        found = re.search(rf"accuracy of 100 unseen documents with {algorithm}: (\S+)$", output, re.MULTILINE)
        assert found is not None, output
        assert float(found[1]) > 0.9


def test_every_example_is_run_by_a_test() -> None:
    """A new example needs a test above."""
    programs = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py")}
    folders = {f"{folder}/{name}.py" for folder in ("script_mode", "reinforcement_learning") for name in ("run", "train")}
    assert programs == {"boto3_main_job.py", "sparse_topics.py", *folders}
