"""The pages of docs/guide/inference run as they are, block after block, against an endpoint as they describe it (K08, K09, K10, L05)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.jobs import wait_for_endpoint
from support.rollouts import deploy
from support.server import Server

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "inference"


@pytest.mark.slow
@pytest.mark.parametrize(("page", "last"), [("rollouts.md", "1"), ("shadow.md", "Candidate"), ("recommender.md", "2")])
def test_a_page(server: Server, page: str, last: str) -> None:
    sagemaker = server.client("sagemaker")
    endpoint = page.removesuffix(".md")
    deploy(server, endpoint)
    text = (GUIDE / page).read_text().replace("churn-2", f"{endpoint}-3").replace("churn", endpoint)
    program = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=server.client_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert said[-1] == last or float(said[-1]) == pytest.approx(5.0, abs=0.5)
    assert wait_for_endpoint(sagemaker, endpoint)["EndpointStatus"] == "InService"
