"""The files of a trained detector: ``model_algo_1-0000.params`` (an MXNet NDArray list), ``-symbol.json``, ``hyperparams.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import orjson
from torch import nn

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.object_detection import symbol
from sagewright_algorithms.object_detection.architecture import Architecture
from sagewright_algorithms.object_detection.network import DEVIATION, Detector
from sagewright_algorithms.vision import mxnet_parameters

PARAMETERS, SYMBOL, HYPERPARAMETERS = "model_algo_1-0000.params", "model_algo_1-symbol.json", "hyperparams.json"
FILES = (PARAMETERS, SYMBOL, HYPERPARAMETERS)
# MXNet's VGG sees images of 0 to 255 without their mean, ours sees them divided by DEVIATION, too, which random weights need.
_SCALED = "arg:conv1_1_weight"


class UnusableModelError(ValueError):
    """The files are not those of a detector that was trained here."""


def files(detector: Detector, hyperparameters: Mapping[str, str]) -> dict[str, bytes]:
    """By name; MXNet can load the network."""
    return {
        PARAMETERS: ndarray_file.dump(_arrays(detector)),
        SYMBOL: symbol.write(detector, float(hyperparameters["nms_threshold"])),
        HYPERPARAMETERS: orjson.dumps(dict(hyperparameters), option=orjson.OPT_INDENT_2),
    }


def architecture(found: Mapping[str, bytes]) -> Architecture:
    """What the files say. Raises UnusableModelError."""
    missing = [name for name in FILES if name not in found]
    if missing:
        raise UnusableModelError(f"{missing[0]} is missing")
    try:
        return symbol.architecture(found[SYMBOL])
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise UnusableModelError(f"{SYMBOL} does not describe a detector that was trained here") from error


def fill(detector: Detector, found: Mapping[str, bytes]) -> None:
    """Sets the parameters. Raises UnusableModelError."""
    _load(detector, found[PARAMETERS], more=False)


def fill_base(detector: Detector, found: Mapping[str, bytes]) -> None:
    """Sets the base network's parameters only, from the one file of parameters that there is. Raises UnusableModelError."""
    named = [name for name in found if name.endswith(".params")]
    if len(named) != 1:
        raise UnusableModelError(f"it holds {sorted(found)} instead of an artifact or one file of parameters")
    _load(detector.base, found[named[0]], more=True)


def _load(network: nn.Module, content: bytes, *, more: bool) -> None:
    try:
        given = ndarray_file.load(content)
        if _SCALED in given:
            given[_SCALED] = given[_SCALED] * DEVIATION
        mxnet_parameters.load(network, given, more=more)
    except (ndarray_file.MalformedModelError, mxnet_parameters.WrongParametersError) as error:
        raise UnusableModelError(str(error)) from error


def _arrays(detector: Detector) -> dict[str, npt.NDArray[Any]]:
    found = dict(mxnet_parameters.arrays(detector))
    if _SCALED in found:
        found[_SCALED] = found[_SCALED] / DEVIATION
    return found
