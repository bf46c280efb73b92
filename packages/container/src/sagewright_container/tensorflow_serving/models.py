"""The models of a container: ``<name>/<version>/saved_model.pb`` anywhere below a folder, the highest version of each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_container.tensorflow_serving.rest import Array, RestError, Signature

_FILE = "saved_model.pb"


class Models:
    """Loaded. Raises ValueError when there are none."""

    def __init__(self, folder: Path) -> None:
        folders = _versions(folder)
        if not folders:
            raise ValueError("no SavedModel bundles found! (a folder <name>/<version> with saved_model.pb is needed)")
        self._loaded = {name: {version: _load(place) for version, place in found.items()} for name, found in folders.items()}

    @property
    def names(self) -> list[str]:
        """In order."""
        return sorted(self._loaded)

    def signatures(self, name: str, version: str = "") -> Mapping[str, Signature]:
        """Of a version, or of the highest. Raises RestError."""
        versions = self._loaded.get(name)
        if versions is None or (version and version not in versions):
            raise not_found(name, version)
        return versions[version or max(versions, key=int)]


def not_found(name: str, version: str) -> RestError:
    """In TensorFlow Serving's words."""
    which = f"Specific({name}, {version})" if version else f"Latest({name})"
    return RestError(404, f"Servable not found for request: {which}")


def _versions(folder: Path) -> dict[str, dict[str, Path]]:
    """Places by model and version."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.rglob(_FILE)):
        place = file.parent
        if place.name.isdigit() and "code" not in place.relative_to(folder).parts[:1]:
            name = place.parent.name if place.parent != folder else "model"
            found.setdefault(name, {})[place.name] = place
    return found


class _Function:
    """A signature of a SavedModel, which it keeps: a signature alone does not keep its model's variables alive."""

    def __init__(self, tensorflow: Any, model: Any, function: Any) -> None:
        self._tensorflow = tensorflow
        self._model = model
        self._function = function
        specs = function.structured_input_signature[1]
        self._types = {name: spec.dtype for name, spec in specs.items()}
        self.inputs: Mapping[str, npt.DTypeLike] = {
            name: object if spec.dtype == tensorflow.string else spec.dtype.as_numpy_dtype for name, spec in specs.items()
        }

    def __call__(self, tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        """See Signature."""
        given = {name: self._tensorflow.constant(_plain(value), self._types[name]) for name, value in tensors.items()}
        return {name: value.numpy() for name, value in self._function(**given).items()}


def _plain(value: Array) -> Any:
    """TensorFlow takes strings from lists only."""
    return value.tolist() if value.dtype == np.dtype(object) else value


def _load(place: Path) -> dict[str, Signature]:
    tensorflow = importlib.import_module("tensorflow")
    model = tensorflow.saved_model.load(str(place))
    return {name: _Function(tensorflow, model, function) for name, function in model.signatures.items()}
