"""Models that a compilation job has made of TensorFlow's: ``model.onnx`` and ``compiled.json``, answered by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sagewright_container.serving.compiled import CompiledModel
from sagewright_container.tensorflow_serving.models import not_found
from sagewright_container.tensorflow_serving.rest import DEFAULT_SIGNATURE, Array, Signature

_NAME, _VERSION = "model", "1"


class Models:
    """The one model of an artefact, under the name and version that TensorFlow Serving gives a model without. Raises CodeError."""

    names = (_NAME,)

    def __init__(self, folder: Path) -> None:
        self._signatures = {DEFAULT_SIGNATURE: _Compiled(CompiledModel(folder))}

    def signatures(self, name: str, version: str = "") -> Mapping[str, Signature]:
        """Raises RestError."""
        if name != _NAME or version not in ("", _VERSION):
            raise not_found(name, version)
        return self._signatures


class _Compiled:
    """See Signature."""

    def __init__(self, model: CompiledModel) -> None:
        self._model = model
        self.inputs: Mapping[str, npt.DTypeLike] = dict(model.inputs)

    def __call__(self, tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        found = self._model(dict(tensors))
        answers = found if isinstance(found, list) else [found]
        return {name: np.asarray(answer) for name, answer in zip(self._model.outputs, answers)}  # noqa: B905 - Python 3.9
