"""The files of the model: parameters of an epoch, symbol and shapes, as AWS's container names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import orjson

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.checkpoint_folder import write_whole
from sagewright_algorithms.image_classification import symbol
from sagewright_algorithms.image_classification.network import Arrays, arrays
from sagewright_algorithms.vision.resnet import Classifier

NAME = "image-classification"
_PARAMS = re.compile(rf"{NAME}-(\d+)\.params")
SYMBOL, SHAPES = f"{NAME}-symbol.json", "model-shapes.json"


def write_structure(folder: Path, model: Classifier, shape: tuple[int, int, int], batch: int, *, multi_label: bool) -> None:
    """What does not change in training."""
    folder.mkdir(parents=True, exist_ok=True)
    document = symbol.write(model.body.plan, model.fc1.out_features, multi_label=multi_label)
    (folder / SYMBOL).write_bytes(document)
    (folder / SHAPES).write_bytes(orjson.dumps([{"shape": [batch, *shape], "name": "data"}]))


def write_parameters(path: Path, model: Classifier) -> None:
    """In one piece."""
    write_whole(path, ndarray_file.dump(arrays(model)))


def parameters_name(epochs: int) -> str:
    """The file after so many epochs."""
    return f"{NAME}-{epochs:04d}.params"


def is_parameters(name: str) -> bool:
    """Whether a file has such a name."""
    return _PARAMS.fullmatch(name) is not None


def parameters(files: Mapping[str, bytes]) -> Arrays:
    """Those of the last epoch that an artifact holds. Raises ValueError."""
    found = {int(match[1]): name for name in files if (match := _PARAMS.fullmatch(name))}
    if not found:
        raise ValueError(f"no {NAME}-0001.params (or of another epoch) in the artifact, which holds {sorted(files)}")
    return ndarray_file.load(files[found[max(found)]])


def given_parameters(files: Mapping[str, bytes]) -> Arrays:
    """Those of a model to go on from: an artifact's, or the only ``.params`` file, whatever it is called. Raises ValueError."""
    named = [name for name in files if name.endswith(".params")]
    return ndarray_file.load(files[named[0]]) if len(named) == 1 else parameters(files)


def shape(files: Mapping[str, bytes]) -> tuple[int, int, int]:
    """Channels, height, width. Raises ValueError."""
    try:
        channels, height, width = orjson.loads(files[SHAPES])[-1]["shape"][1:]
        found = (int(channels), int(height), int(width))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{SHAPES} of the artifact cannot be read: {error}") from error
    if found[0] not in (1, 3) or min(found) < 1:
        raise ValueError(f"{SHAPES} of the artifact names an image of the shape {found}")
    return found


def is_multi_label(files: Mapping[str, bytes]) -> bool:
    """By the symbol; an artifact without one has one label per image. Raises ValueError."""
    return SYMBOL in files and symbol.is_multi_label(files[SYMBOL])
