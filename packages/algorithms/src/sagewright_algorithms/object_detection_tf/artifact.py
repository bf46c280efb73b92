"""What a trained model is beside its weights: the network's model id, and which category is which class."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sagewright_algorithms.object_detection_tf.forms import form
from sagewright_algorithms.object_detection_tf.marked_images import Category
from sagewright_algorithms.object_detection_tf.network import PyramidDetector
from sagewright_algorithms.vision import described_weights


@dataclass(frozen=True, slots=True)
class Info:
    """``categories`` are the category ids of the classes 0, 1, …."""

    model_id: str
    categories: tuple[Category, ...]


def write(folder: Path, weights: dict[str, torch.Tensor], info: Info) -> None:
    """All files."""
    described_weights.write(folder, weights, asdict(info), info.categories)


def read_info(folder: Path) -> Info:
    """Raises OSError, ValueError."""
    document = described_weights.read_info(folder)
    try:
        categories = tuple(name if isinstance(name, str) else int(name) for name in document["categories"])
        return Info(str(document["model_id"]), categories)
    except (KeyError, TypeError) as error:
        raise described_weights.unknown() from error


def load(folder: Path) -> tuple[PyramidDetector, Info]:
    """The network as it was trained. Raises OSError, ValueError."""
    info = read_info(folder)
    network = PyramidDetector(form(info.model_id), len(info.categories))
    described_weights.fill(network, folder)
    return network, info
