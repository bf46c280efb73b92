"""The files of a trained detector: ``model_algo_1-0000.params`` (an MXNet NDArray list), ``-symbol.json``, ``hyperparams.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import orjson

from sagewright_algorithms.common.ndarray_file import MalformedModelError
from sagewright_algorithms.object_detection.network import Architecture, Detector
from sagewright_algorithms.vision import mxnet_parameters

PARAMETERS, SYMBOL, HYPERPARAMETERS = "model_algo_1-0000.params", "model_algo_1-symbol.json", "hyperparams.json"
FILES = (PARAMETERS, SYMBOL, HYPERPARAMETERS)


class UnusableModelError(ValueError):
    """The files are not those of a detector that was trained here."""


def files(detector: Detector, hyperparameters: Mapping[str, str]) -> dict[str, bytes]:
    """By name. The symbol says what the network is made of, in our words: MXNet cannot read it."""
    return {
        PARAMETERS: mxnet_parameters.dump(detector),
        SYMBOL: orjson.dumps({"network": "ssd", **asdict(detector.architecture)}, option=orjson.OPT_INDENT_2),
        HYPERPARAMETERS: orjson.dumps(dict(hyperparameters), option=orjson.OPT_INDENT_2),
    }


def architecture(found: Mapping[str, bytes]) -> Architecture:
    """What the files say. Raises UnusableModelError."""
    missing = [name for name in FILES if name not in found]
    if missing:
        raise UnusableModelError(f"{missing[0]} is missing")
    try:
        document = orjson.loads(found[SYMBOL])
        return Architecture(str(document["base_network"]), int(document["num_classes"]), int(document["image_shape"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableModelError(f"{SYMBOL} does not describe a detector that was trained here") from error


def fill(detector: Detector, found: Mapping[str, bytes]) -> None:
    """Sets the parameters. Raises UnusableModelError."""
    try:
        mxnet_parameters.load(detector, found[PARAMETERS])
    except (MalformedModelError, mxnet_parameters.WrongParametersError, KeyError) as error:
        raise UnusableModelError(str(error)) from error
