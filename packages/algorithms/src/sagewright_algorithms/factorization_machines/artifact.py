"""The artifact of Factorization Machines: a ZIP with the MXNet parameters w0, w1_weight and v, and what is to know beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common import parameter_zip
from sagewright_algorithms.factorization_machines.machine import Machine

_PARAMETERS, _ADDITIONAL = "mx-mod-0000.params", "additional-params.json"
_NAMES = ("arg:w0", "arg:w1_weight", "arg:v")


@dataclass(frozen=True, slots=True)
class FittedMachine:
    """``classifier``: scores are log odds."""

    machine: Machine
    classifier: bool

    def dump(self) -> bytes:
        """The same model gives the same bytes."""
        machine = self.machine
        arrays = dict(zip(_NAMES, (machine.bias, machine.linear[:, None], machine.factors), strict=True))
        about = {"predictor_type": "binary_classifier" if self.classifier else "regressor"}
        return parameter_zip.dump((_ADDITIONAL, about), (_PARAMETERS, arrays))

    @classmethod
    def load(cls, content: bytes) -> FittedMachine:
        """Raises ValueError, KeyError."""
        about, arrays = parameter_zip.load(content, _ADDITIONAL, _PARAMETERS)
        bias, linear, factors = (arrays[name].astype(np.float32) for name in _NAMES)
        if factors.ndim != 2 or linear.size != len(factors) or bias.size != 1:
            raise ValueError("the parameters of the model do not fit together")
        return cls(Machine(bias.reshape(1), linear.reshape(-1), factors), about["predictor_type"] == "binary_classifier")
