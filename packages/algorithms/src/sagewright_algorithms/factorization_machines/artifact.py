"""The artifact of Factorization Machines: a ZIP with the MXNet parameters w0, w1_weight and v, and what is to know beside."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.factorization_machines.machine import Machine

_PARAMETERS, _ADDITIONAL = "mx-mod-0000.params", "additional-params.json"
_NAMES = ("arg:w0", "arg:w1_weight", "arg:v")
_EPOCH = (1980, 1, 1, 0, 0, 0)


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
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo(_ADDITIONAL, _EPOCH), json.dumps(about))
            archive.writestr(zipfile.ZipInfo(_PARAMETERS, _EPOCH), ndarray_file.dump(arrays), zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    @classmethod
    def load(cls, content: bytes) -> FittedMachine:
        """Raises ValueError, KeyError."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                arrays = ndarray_file.load(archive.read(_PARAMETERS))
                about = json.loads(archive.read(_ADDITIONAL))
        except zipfile.BadZipFile as error:
            raise ValueError(f"the model is not a ZIP: {error}") from error
        bias, linear, factors = (arrays[name].astype(np.float32) for name in _NAMES)
        if factors.ndim != 2 or linear.size != len(factors) or bias.size != 1:
            raise ValueError("the parameters of the model do not fit together")
        return cls(Machine(bias.reshape(1), linear.reshape(-1), factors), about["predictor_type"] == "binary_classifier")
