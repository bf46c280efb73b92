"""The artifact of Linear Learner: a ZIP with an MXNet module (symbol and parameters) and what is to know beside it."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagewright_algorithms.common import ndarray_file, parameter_zip
from sagewright_algorithms.common.matrix import Floats

_ADDITIONAL, _MANIFEST, _SYMBOL, _PARAMETERS = (
    "additional-params.json",
    "manifest.json",
    "mx-mod-symbol.json",
    "mx-mod-0000.params",
)
_WEIGHT, _BIAS = "arg:fc0_weight", "arg:fc0_bias"
_HEADS = {"logistic": ("Activation", "prob", {"act_type": "sigmoid"}), "softmax_loss": ("softmax", "prob", {"axis": "-1"})}
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """``weights`` [features, classes] and ``bias`` [classes] for rows as they are; ``threshold`` is for two classes."""

    weights: Floats
    bias: Floats
    predictor_type: str
    loss: str
    threshold: float

    def dump(self) -> bytes:
        """The same model gives the same bytes."""
        parameters = {_WEIGHT: np.ascontiguousarray(self.weights.T, np.float32), _BIAS: self.bias.astype(np.float32)}
        about = {"predictor_type": self.predictor_type, "loss": self.loss, "threshold": self.threshold}
        files = {
            _ADDITIONAL: json.dumps(about).encode(),
            _MANIFEST: json.dumps({"algorithm": "linear-learner", "files": [_SYMBOL, _PARAMETERS, _ADDITIONAL]}).encode(),
            _SYMBOL: json.dumps(_symbol(self.loss, len(self.bias))).encode(),
            _PARAMETERS: ndarray_file.dump(parameters),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    @classmethod
    def load(cls, content: bytes) -> LinearModel:
        """Raises ValueError, KeyError."""
        about, arrays = parameter_zip.load(content, _ADDITIONAL, _PARAMETERS)
        weights = arrays[_WEIGHT].astype(np.float32)
        bias = arrays.get(_BIAS, np.zeros(len(weights))).astype(np.float32).reshape(-1)
        if weights.ndim != 2 or len(bias) != len(weights):
            raise ValueError("weights and bias of the model do not fit together")
        usual = "multiclass_classifier" if len(weights) > 1 else "binary_classifier"
        kind = about.get("predictor_type", usual)
        loss = about.get("loss", "softmax_loss" if len(weights) > 1 else "logistic")
        return cls(np.ascontiguousarray(weights.T), bias, kind, loss, float(about.get("threshold", 0.5)))


def _symbol(loss: str, classes: int) -> dict[str, Any]:
    """The network as MXNet saves it: one fully connected layer, then the function that makes scores of its output."""
    inputs = ("data", "fc0_weight", "fc0_bias")
    nodes: list[dict[str, Any]] = [{"op": "null", "name": name, "inputs": []} for name in inputs]
    nodes.append(
        {
            "op": "FullyConnected",
            "name": "fc0",
            "attrs": {"num_hidden": str(classes), "no_bias": "False"},
            "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
        }
    )
    if loss in _HEADS:
        operation, name, attributes = _HEADS[loss]
        nodes.append({"op": operation, "name": name, "attrs": attributes, "inputs": [[3, 0, 0]]})
    last = len(nodes) - 1
    return {
        "nodes": nodes,
        "arg_nodes": [0, 1, 2],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[last, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10900]},
    }
