"""``demo``: a process of its own, because it needs scikit-learn for its data, which no other command should wait for."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running and the resources in place.")] = False,
) -> None:
    """Train, deploy, predict and batch-transform on a real data set, from nothing, and clean up."""
    done = subprocess.run([sys.executable, "-m", "sagewright.cli.walk", *(["--keep"] if keep else [])], check=False)
    raise typer.Exit(done.returncode)
