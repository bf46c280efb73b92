"""Reading ``xgboost-model`` files: JSON and UBJSON by the library, pickled Boosters without unpickling code.

Before image 1.3-1 the artifact was ``pickle.dump(booster)``. Such a pickle is one object of class ``xgboost.core.Booster``
whose state holds the library's own snapshot as bytes; an unpickler that knows no other class takes it out without importing
anything.
"""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

from sagewright_algorithms.common.libxgboost import XgboostError
from sagewright_algorithms.xgboost.booster import Booster
from sagewright_algorithms.xgboost.version import Version

MODEL_NAME = "xgboost-model"
_PICKLE_START = b"\x80"
_PROTOCOL, _PROTOCOL_BYTES = 3, 2
_DOCUMENT_START = b"{"  # of JSON and of UBJSON; the library aborts the process on some other content
_UNKNOWN = (
    "the model file is neither JSON, UBJSON nor a pickled Booster; the binary format of xgboost before 1.0 is no longer read by the "
    "library: load the model with the xgboost that wrote it and save it as JSON"
)


class ModelError(Exception):
    """The model cannot be read; the text is for the user."""


def load_models(folder: Path) -> list[Booster]:
    """The models in a model folder: one, or an ensemble of the folds that cross-validation left. Raises ModelError.

    Only the first is used with SAGEMAKER_INFERENCE_ENSEMBLE=false.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.startswith(MODEL_NAME))
    files = files or [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")][:1]
    if not files:
        raise ModelError(f"no model file in {folder}")
    if os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "false":
        files = files[:1]
    return [load(path.read_bytes()) for path in files]


def load(content: bytes) -> Booster:
    """One model from its file's bytes. Raises ModelError."""
    booster = Booster()
    try:
        if content.startswith(_PICKLE_START):
            _load_snapshot(booster, _snapshot(content))
        elif content.startswith(_DOCUMENT_START):
            booster.load(content)
        else:
            raise ModelError(_UNKNOWN)
    except (XgboostError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise ModelError(str(error)) from error
    return booster


def dump(booster: Booster, version: Version) -> bytes:
    """As the container of the version saves it: UBJSON, or what ``pickle.dumps`` makes of a Booster of the Python package."""
    if not version.pickles:
        return booster.save()
    state = pickle.dumps({"handle": bytearray(booster.serialize())}, _PROTOCOL)
    head, end = state[:_PROTOCOL_BYTES], state[_PROTOCOL_BYTES:-1]
    return head + b"cxgboost.core\nBooster\n)\x81" + end + b"b."


def _load_snapshot(booster: Booster, snapshot: bytes) -> None:
    if not snapshot.startswith(_DOCUMENT_START):
        raise ModelError(_UNKNOWN)
    booster.unserialize(snapshot)


class _PickledBooster:
    """Stands for xgboost.core.Booster in a pickle."""

    state: dict[str, object]

    def __setstate__(self, state: dict[str, object]) -> None:
        self.state = state


class _BoosterUnpickler(pickle.Unpickler):
    """Knows the Booster and plain bytes; any other class in a pickle is refused, so no code of the pickle runs."""

    def find_class(self, module: str, name: str) -> type:
        if (module, name) == ("xgboost.core", "Booster"):
            return _PickledBooster
        if (module, name) in (("builtins", "bytearray"), ("__builtin__", "bytearray")):
            return bytearray
        raise pickle.UnpicklingError(f"a pickled model may hold a Booster only, not {module}.{name}")


def _snapshot(content: bytes) -> bytes:
    pickled = _BoosterUnpickler(io.BytesIO(content), encoding="latin1").load()
    handle = pickled.state.get("handle") if isinstance(pickled, _PickledBooster) else None
    if not isinstance(handle, (bytes, bytearray)):
        raise pickle.UnpicklingError("the pickle holds no trained Booster")
    return bytes(handle)
