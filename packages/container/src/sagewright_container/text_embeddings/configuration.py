"""What the environment of text-embeddings-inference says (sagemaker-entrypoint.sh and the arguments of its router)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sagewright_container.text_generation.configuration import ConfigurationError, model_source

__all__ = ["Configuration", "ConfigurationError"]


@dataclass(frozen=True)
class Configuration:
    """``pooling`` is empty where the model's own files say it. ``batch`` is how many texts a request may have, ``tokens`` how many
    (padding included) go through the model at once. ``task``: TASK, of which only sentence-similarity means something."""

    model: str
    pooling: str = ""
    dtype: str = ""
    revision: str = ""
    batch: int = 32
    tokens: int = 16384
    truncates: bool = False
    task: str = ""

    @classmethod
    def of(cls, folder: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
        """``folder`` is /opt/ml/model. Raises ConfigurationError."""
        named = environment.get("HF_MODEL_ID", "").strip()
        pooling = environment.get("POOLING", "").strip().lower()
        if pooling not in ("", "cls", "mean", "last-token", "splade"):
            raise ConfigurationError(f"POOLING must be cls, mean, last-token or splade, not {pooling!r}.")
        return cls(
            model_source(named, folder),
            pooling,
            environment.get("DTYPE", "").strip(),
            environment.get("HF_MODEL_REVISION", environment.get("REVISION", "")).strip(),
            _number(environment, "MAX_CLIENT_BATCH_SIZE", 32),
            _number(environment, "MAX_BATCH_TOKENS", 16384),
            environment.get("AUTO_TRUNCATE", "").strip().lower() in ("1", "true"),
            environment.get("TASK", "").strip(),
        )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip().strip('"')
    if text and not (text.isdigit() and int(text)):
        raise ConfigurationError(f"{name} must be a whole number above zero, not {text!r}.")
    return int(text) if text else default
