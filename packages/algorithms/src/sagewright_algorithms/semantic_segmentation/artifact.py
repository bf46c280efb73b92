"""The files of a trained segmenter: ``model_algo-1`` (an MXNet NDArray list) and ``hyperparams.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.semantic_segmentation.architecture import LAYERS, Architecture
from sagewright_algorithms.semantic_segmentation.heads import HEADS
from sagewright_algorithms.semantic_segmentation.network import Segmenter
from sagewright_algorithms.vision import mxnet_parameters

PARAMETERS, HYPERPARAMETERS = "model_algo-1", "hyperparams.json"
FILES = (PARAMETERS, HYPERPARAMETERS)


class UnusableModelError(ValueError):
    """The files are not those of a segmenter that was trained here."""


def files(segmenter: Segmenter, hyperparameters: Mapping[str, Any]) -> dict[str, bytes]:
    """By name."""
    return {
        PARAMETERS: ndarray_file.dump(mxnet_parameters.arrays(segmenter)),
        HYPERPARAMETERS: orjson.dumps(dict(hyperparameters), option=orjson.OPT_INDENT_2),
    }


def restored(found: Mapping[str, bytes]) -> Segmenter:
    """Raises UnusableModelError."""
    segmenter = Segmenter(architecture(found))
    fill(segmenter, found)
    return segmenter


def architecture(found: Mapping[str, bytes]) -> Architecture:
    """What the hyperparameters say. Raises UnusableModelError."""
    given = hyperparameters(found)
    try:
        algorithm, backbone = str(given["algorithm"]), str(given["backbone"])
        crop = -(-int(given["crop_size"]) // 8) * 8
        classes = int(given["num_classes"])
    except (KeyError, ValueError, TypeError) as error:
        raise UnusableModelError(f"{HYPERPARAMETERS} does not say what the model is made of: {error}") from error
    if algorithm not in HEADS or backbone not in LAYERS or classes < 1:
        raise UnusableModelError(f"{HYPERPARAMETERS} names {algorithm} on {backbone}, which is not known here")
    return Architecture(algorithm, backbone, classes, crop)


def hyperparameters(found: Mapping[str, bytes]) -> dict[str, Any]:
    """As the job had them. Raises UnusableModelError."""
    missing = [name for name in FILES if name not in found]
    if missing:
        raise UnusableModelError(f"{missing[0]} is missing")
    try:
        document = orjson.loads(found[HYPERPARAMETERS])
    except ValueError as error:
        raise UnusableModelError(f"{HYPERPARAMETERS} is not JSON") from error
    if not isinstance(document, dict):
        raise UnusableModelError(f"{HYPERPARAMETERS} is not a JSON object")
    return document


def fill(segmenter: Segmenter, found: Mapping[str, bytes]) -> None:
    """Sets the parameters. Raises UnusableModelError."""
    try:
        mxnet_parameters.load(segmenter, ndarray_file.load(found[PARAMETERS]))
    except (ndarray_file.MalformedModelError, mxnet_parameters.WrongParametersError) as error:
        raise UnusableModelError(str(error)) from error
