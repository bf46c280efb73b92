"""Serves the models of a TensorFlow image, through the handlers of the archive's code/inference.py where it has one.

What compilation jobs have made of TensorFlow's models is served in the same form, by ONNX Runtime. A server of many models
(``SAGEMAKER_MULTI_MODEL``) takes the script beside each, or the one of ``SAGEMAKER_SUBMIT_DIRECTORY`` for all.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sagewright_container import interpreter
from sagewright_container.code import make_importable, prepare
from sagewright_container.layout import Layout
from sagewright_container.python_path import add_to_path
from sagewright_container.serving import functions, many_models
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.listen import serve
from sagewright_container.serving.many_models import ManyModels
from sagewright_container.tensorflow_serving.endpoint import Shelf, TensorFlowEndpoint

_PROGRAM = "inference.py"
_PACKAGE = "sagewright_container.tensorflow_serving"


def main() -> int:
    """Serves until SIGTERM; 1 when a model or the script cannot be loaded (the reason is in the log)."""
    try:
        interpreter.adopt()
        endpoint = _endpoint(Layout.current())
    except Exception:  # noqa: BLE001 - the user's script may raise anything
        traceback.print_exc()
        print("Unable to load the model", file=sys.stderr, flush=True)
        return 1
    serve(endpoint, threads=1)
    return 0


def _endpoint(layout: Layout) -> Endpoint:
    if many_models.wanted():
        return ManyModels(_opener(layout))
    return TensorFlowEndpoint(_shelf(layout.model), _script(layout))


def _shelf(folder: Path) -> Shelf:
    """Loaded by name: TensorFlow is not where compiled models are served, nor ONNX Runtime where TensorFlow is."""
    compiled = os.environ.get("SAGEWRIGHT_FRAMEWORK") == "neo-tensorflow"
    module: Any = importlib.import_module(f"{_PACKAGE}.{'compiled' if compiled else 'models'}")
    shelf: Shelf = module.Models(folder)
    return shelf


def _script(layout: Layout) -> ModuleType | None:
    code = layout.model / "code"
    if not (code / _PROGRAM).is_file():
        return None
    make_importable(code)
    if interpreter.is_stale():  # its requirements are of other versions than what this process has in memory
        interpreter.renew("serve")
    return functions.load(code, _PROGRAM)


def _opener(layout: Layout) -> Callable[[Path], Endpoint]:
    """Raises CodeError, and what the script raises."""
    shared = None
    if "SAGEMAKER_SUBMIT_DIRECTORY" in os.environ:
        code = prepare(layout, os.environ["SAGEMAKER_SUBMIT_DIRECTORY"])
        make_importable(code)
        shared = functions.load(code, _PROGRAM)

    def open_model(folder: Path) -> Endpoint:
        script, code = shared, folder / "code"
        if script is None and (code / _PROGRAM).is_file():
            for place in (code, code / "lib"):
                if place.is_dir() and str(place) not in sys.path:
                    add_to_path(place)
            script = functions.load(code, _PROGRAM)
        return TensorFlowEndpoint(_shelf(folder), script)

    return open_model
