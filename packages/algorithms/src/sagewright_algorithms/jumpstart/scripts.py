"""The scripts of a JumpStart model, as text. Standard library only: the server packs them into the JumpStart bucket."""

from __future__ import annotations

TRAINING, INFERENCE = "transfer_learning.py", "inference.py"

_TRAINING = '''"""Trains {model}: the entry point that JumpStart's training jobs name (sagemaker_program)."""

import sys

from sagewright_algorithms.{package} import train

sys.exit(train.main("{model}"))
'''

_INFERENCE = '''"""Serves {model}: the entry point that JumpStart's endpoints name (SAGEMAKER_PROGRAM)."""

from pathlib import Path

from sagewright_algorithms.{package} import serve


def endpoint_fn(model_dir):
    """The whole conversation is the algorithm's: the toolkit asks it instead of model_fn, input_fn, predict_fn, output_fn."""
    return serve.endpoint(Path(model_dir))
'''

_ABSENT = '''"""Stands where {model} would be, had anybody trained it."""


def endpoint_fn(model_dir):
    """Says what to do."""
    raise FileNotFoundError(
        "{model}: there is nothing pre-trained in this archive. "
        'Train a model with JumpStartEstimator("{model}") and deploy what it made.'
    )
'''


def training(algorithm: str, model: str) -> str:
    """transfer_learning.py of a model id."""
    return _TRAINING.format(model=model, package=algorithm.replace("-", "_"))


def inference(algorithm: str, model: str) -> str:
    """inference.py of a model id."""
    return _INFERENCE.format(model=model, package=algorithm.replace("-", "_"))


def absent(model: str) -> str:
    """inference.py of an archive without a model."""
    return _ABSENT.format(model=model)
