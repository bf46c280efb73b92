"""``serve``: hands over to the user's script, or to the built-in algorithm or the server of this image."""

from __future__ import annotations

import importlib
import os

_TEXT_SERVERS = ("tgi", "lmi", "sglang")  # images that are a server of their own: no script of the user's
_TENSORFLOW = ("tensorflow", "neo-tensorflow")


def main() -> int:
    """Serves until SIGTERM; returns the exit code. For ``python -m sagewright_container serve`` and a zygote's child."""
    algorithm = os.environ.get("SAGEWRIGHT_ALGORITHM")
    if os.environ.get("SAGEWRIGHT_FRAMEWORK") == "vllm":
        module = "sagewright_container.text_generation.own_vllm"
    elif os.environ.get("SAGEWRIGHT_FRAMEWORK") in _TEXT_SERVERS:
        module = "sagewright_container.text_generation.serve"
    elif os.environ.get("SAGEWRIGHT_FRAMEWORK") == "tei":
        module = "sagewright_container.text_embeddings.serve"
    elif os.environ.get("SAGEWRIGHT_FRAMEWORK") in _TENSORFLOW:
        module = "sagewright_container.tensorflow_serving.serve"
    elif os.environ.get("SAGEWRIGHT_FRAMEWORK") == "sparkml":
        module = "sagewright_container.sparkml.serve"
    elif algorithm and not os.environ.get("SAGEMAKER_PROGRAM"):
        module = f"sagewright_algorithms.{algorithm.replace('-', '_')}.serve"
    else:
        module = "sagewright_container.serving.script"
    code: int = importlib.import_module(module).main()
    return code
