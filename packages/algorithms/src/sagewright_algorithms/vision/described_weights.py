"""A trained model as the algorithms in JumpStart form keep it: torch's weights, what they are, and which label is which output."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import torch
from torch import Tensor, nn

WEIGHTS, INFO, LABELS = "model.pt", "model_info.json", "class_label_to_prediction_index.json"
# What torch's reader raises for bytes that are no weights, and a network for those of another one.
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError)


def write(folder: Path, weights: Mapping[str, Tensor], info: Mapping[str, Any], labels: Iterable[object]) -> None:
    """All files; the labels in the order of the outputs."""
    torch.save({name: tensor.cpu().contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    (folder / INFO).write_bytes(orjson.dumps(info))
    (folder / LABELS).write_bytes(orjson.dumps({str(name): number for number, name in enumerate(labels)}))


def is_trained(folder: Path) -> bool:
    """Whether a folder holds a trained model: the model channel of JumpStart has one only in incremental training."""
    return (folder / INFO).is_file() and (folder / WEIGHTS).is_file()


def read_info(folder: Path) -> Any:
    """The document. Raises OSError, ValueError."""
    return orjson.loads((folder / INFO).read_bytes())


def unknown() -> ValueError:
    """For a document that lacks what it should have."""
    return ValueError(f"{INFO} does not describe a model that was trained here")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """By name. Raises OSError, ValueError."""
    try:
        found: dict[str, Tensor] = dict(torch.load(folder / WEIGHTS, "cpu", weights_only=True))
    except _MALFORMED as error:
        raise ValueError(f"{WEIGHTS} cannot be read: {error}") from error
    return found


def fill(network: nn.Module, folder: Path) -> None:
    """Gives the network its weights. Raises OSError, ValueError."""
    try:
        network.load_state_dict(read_weights(folder))
    except _MALFORMED as error:
        raise ValueError(f"{WEIGHTS} is not of the network that {INFO} names: {error}") from error
