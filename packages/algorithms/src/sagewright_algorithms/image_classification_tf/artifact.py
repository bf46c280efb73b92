"""The files of a trained model: its weights, what it is, and which class is which output."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import torch

from sagewright_algorithms.image_classification_tf.network import Network, architecture

WEIGHTS, INFO, LABELS = "model.pt", "model_info.json", "class_label_to_prediction_index.json"
# What torch's reader raises for bytes that are no weights, and a network for those of another one.
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError)


@dataclass(frozen=True, slots=True)
class Info:
    """``classes`` in the order of the outputs; ``binary``: one output, for the second class."""

    model_id: str
    classes: tuple[str, ...]
    binary: bool
    interpolation: str

    @property
    def outputs(self) -> int:
        """Logits of the network."""
        return 1 if self.binary else len(self.classes)


def write(folder: Path, network: Network, info: Info) -> None:
    """All files."""
    torch.save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, folder / WEIGHTS)
    (folder / INFO).write_bytes(orjson.dumps(asdict(info)))
    (folder / LABELS).write_bytes(orjson.dumps({name: number for number, name in enumerate(info.classes)}))


def is_trained(folder: Path) -> bool:
    """Whether a folder holds a trained model: the model channel of JumpStart has one only in incremental training."""
    return (folder / INFO).is_file() and (folder / WEIGHTS).is_file()


def read_info(folder: Path) -> Info:
    """Raises OSError, ValueError."""
    try:
        document: dict[str, Any] = orjson.loads((folder / INFO).read_bytes())
        classes = tuple(str(name) for name in document["classes"])
        return Info(str(document["model_id"]), classes, bool(document["binary"]), str(document["interpolation"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{INFO} does not describe a model that was trained here") from error


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """By name. Raises OSError, ValueError."""
    try:
        found: dict[str, torch.Tensor] = dict(torch.load(folder / WEIGHTS, "cpu", weights_only=True))
    except _MALFORMED as error:
        raise ValueError(f"{WEIGHTS} cannot be read: {error}") from error
    return found


def load(folder: Path) -> tuple[Network, Info]:
    """The network as it was trained. Raises OSError, ValueError."""
    info = read_info(folder)
    network = Network(architecture(info.model_id), info.outputs)
    try:
        network.load_state_dict(read_weights(folder))
    except _MALFORMED as error:
        raise ValueError(f"{WEIGHTS} is not of the network that {INFO} names: {error}") from error
    return network, info
