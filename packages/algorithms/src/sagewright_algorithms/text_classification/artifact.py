"""The artifact: a folder of transformers (``config.json``, ``model.safetensors``, ``tokenizer.json``) and ``labels.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sagewright_algorithms.text_classification.vocabulary import Vocabulary

LABELS = "labels.json"


def write(folder: Path, model: Any, vocabulary: Vocabulary, classes: int) -> None:
    """Weights on the CPU, wherever they were trained."""
    model.cpu().save_pretrained(folder)
    vocabulary.write(folder)
    (folder / LABELS).write_text(json.dumps({"labels": list(range(classes))}), encoding="utf-8")


def labels(folder: Path) -> int | None:
    """How many classes a model that this algorithm trained tells apart; None for any other model. Raises OSError, ValueError."""
    file = folder / LABELS
    if not file.is_file():
        return None
    document = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or not isinstance(document.get("labels"), list):
        raise ValueError(f"{LABELS} holds no list of labels")
    return len(document["labels"])
