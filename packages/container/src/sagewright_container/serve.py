"""``serve``: hands over to the user's script or to the built-in algorithm of this image."""

from __future__ import annotations

import importlib
import os


def main() -> int:
    """Serves until SIGTERM; returns the exit code. For ``python -m sagewright_container serve`` and a zygote's child."""
    algorithm = os.environ.get("SAGEWRIGHT_ALGORITHM")
    if algorithm and not os.environ.get("SAGEMAKER_PROGRAM"):
        module = f"sagewright_algorithms.{algorithm.replace('-', '_')}.serve"
    else:
        module = "sagewright_container.serving.script"
    code: int = importlib.import_module(module).main()
    return code
