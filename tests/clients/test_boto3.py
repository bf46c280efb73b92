"""A04: unchanged boto3 scripts; accounts and regions as separate worlds."""

from __future__ import annotations

import os
import subprocess

import pytest
from clients.conftest import PROGRAMS, RunProgram, python_of
from support.server import running_server

pytestmark = pytest.mark.clients


def test_a_whole_flow_as_a_role(run_program: RunProgram) -> None:
    """G01, H03: presigned URLs, train, deploy, transform, botocore's waiters and paginators."""
    assert run_program("sdk2", "boto3_flow.py") == "boto3: done\n"


def test_accounts_and_regions_are_separate_worlds() -> None:
    """With --auth open a key of twelve digits is an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_", "PYTHON"))}
    with running_server(auth="open", prewarm="") as server:
        done = subprocess.run(
            [str(python_of("sdk2")), str(PROGRAMS / "boto3_worlds.py")],
            env={**kept, "AWS_ENDPOINT_URL": server.settings.url},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout == "worlds: done\n", done.stderr[-4000:]
