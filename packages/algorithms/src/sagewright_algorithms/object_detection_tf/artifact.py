"""The files of a trained model: its weights, what it is, and which category is which class."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import torch

from sagewright_algorithms.object_detection_tf.forms import form
from sagewright_algorithms.object_detection_tf.marked_images import Category
from sagewright_algorithms.object_detection_tf.network import PyramidDetector

WEIGHTS, INFO, LABELS = "model.pt", "model_info.json", "class_label_to_prediction_index.json"
# What torch's reader raises for bytes that are no weights, and a network for those of another one.
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError)


@dataclass(frozen=True, slots=True)
class Info:
    """``categories`` are the category ids of the classes 0, 1, …."""

    model_id: str
    categories: tuple[Category, ...]


def write(folder: Path, weights: dict[str, torch.Tensor], info: Info) -> None:
    """All files."""
    torch.save({name: tensor.cpu().contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    (folder / INFO).write_bytes(orjson.dumps(asdict(info)))
    (folder / LABELS).write_bytes(orjson.dumps({str(name): number for number, name in enumerate(info.categories)}))


def is_trained(folder: Path) -> bool:
    """Whether a folder holds a trained model: the model channel of JumpStart has one only in incremental training."""
    return (folder / INFO).is_file() and (folder / WEIGHTS).is_file()


def read_info(folder: Path) -> Info:
    """Raises OSError, ValueError."""
    try:
        document: dict[str, Any] = orjson.loads((folder / INFO).read_bytes())
        categories = tuple(name if isinstance(name, str) else int(name) for name in document["categories"])
        return Info(str(document["model_id"]), categories)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{INFO} does not describe a model that was trained here") from error


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """By name. Raises OSError, ValueError."""
    try:
        found: dict[str, torch.Tensor] = dict(torch.load(folder / WEIGHTS, "cpu", weights_only=True))
    except _MALFORMED as error:
        raise ValueError(f"{WEIGHTS} cannot be read: {error}") from error
    return found


def load(folder: Path) -> tuple[PyramidDetector, Info]:
    """The network as it was trained. Raises OSError, ValueError."""
    info = read_info(folder)
    network = PyramidDetector(form(info.model_id), len(info.categories))
    try:
        network.load_state_dict(read_weights(folder))
    except _MALFORMED as error:
        raise ValueError(f"{WEIGHTS} is not of the network that {INFO} names: {error}") from error
    return network, info
