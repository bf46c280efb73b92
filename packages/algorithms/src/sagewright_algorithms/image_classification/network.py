"""The network and its parameters under MXNet's names, in both directions (``arg:stage1_unit1_conv1_weight``)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from sagewright_algorithms.vision.mxnet_parameters import named
from sagewright_algorithms.vision.resnet import Classifier, Plan, ResNet

Arrays = Mapping[str, npt.NDArray[np.generic]]
CLASSIFIER = "fc1"
_UNIT = re.compile(r"stage(\d+)_unit\d+_conv1_weight")


class MismatchError(ValueError):
    """The parameters are not those of the network."""


def arrays(model: Classifier) -> dict[str, npt.NDArray[np.float32]]:
    """Every parameter, float32, ``arg:`` for what is learned and ``aux:`` for the statistics of batch norms."""
    return {name: tensor.detach().cpu().float().numpy() for name, tensor in named(model).items()}


def load(model: Classifier, given: Arrays, *, without_classifier: bool = False) -> None:
    """Sets the parameters. Raises MismatchError, which names the first that does not fit."""
    plain = _plain(given)
    with torch.no_grad():
        for long_name, tensor in named(model).items():
            name = long_name.partition(":")[2]
            if without_classifier and name.startswith(CLASSIFIER):
                continue
            value = plain.get(name)
            if value is None or value.shape != tuple(tensor.shape):
                found = "missing" if value is None else f"of the shape {value.shape}"
                raise MismatchError(f"the parameter {name} of the shape {tuple(tensor.shape)} is {found}")
            tensor.copy_(torch.from_numpy(np.array(value, np.float32)))


def restored(given: Arrays) -> Classifier:
    """The network whose parameters these are: its structure follows from their names and shapes. Raises MismatchError."""
    plain = _plain(given)
    try:
        stem = plain["conv0_weight"].shape
        bottleneck = "stage1_unit1_conv3_weight" in plain
        units: dict[int, int] = {}
        for stage in (int(match[1]) for match in map(_UNIT.fullmatch, plain) if match):
            units[stage] = units.get(stage, 0) + 1
        last = "conv3" if bottleneck else "conv2"
        filters = [plain[f"stage{stage}_unit1_{last}_weight"].shape[0] for stage in sorted(units)]
        plan = Plan(tuple(units[stage] for stage in sorted(units)), (stem[0], *filters), bottleneck, stem[2])
        model = Classifier(ResNet(plan, stem[1]), plain[f"{CLASSIFIER}_weight"].shape[0])
    except (KeyError, IndexError) as error:
        raise MismatchError(f"the parameter {error} is missing or of a wrong shape") from error
    load(model, given)
    return model


def _plain(given: Arrays) -> dict[str, npt.NDArray[np.generic]]:
    """By name without ``arg:`` and ``aux:``, which not every file of MXNet has."""
    return {name.partition(":")[2] or name: value for name, value in given.items()}
