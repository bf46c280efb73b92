"""Serves the SavedModels of a TensorFlow image, through the handlers of the archive's code/inference.py where it has one."""

from __future__ import annotations

import sys
import traceback
from types import ModuleType

from sagewright_container import interpreter
from sagewright_container.code import make_importable
from sagewright_container.layout import Layout
from sagewright_container.serving import functions
from sagewright_container.serving.listen import serve
from sagewright_container.tensorflow_serving.endpoint import TensorFlowEndpoint
from sagewright_container.tensorflow_serving.models import Models

_PROGRAM = "inference.py"


def main() -> int:
    """Serves until SIGTERM; 1 when a model or the script cannot be loaded (the reason is in the log)."""
    try:
        interpreter.adopt()
        layout = Layout.current()
        endpoint = TensorFlowEndpoint(Models(layout.model), _script(layout))
    except Exception:  # noqa: BLE001 - the user's script may raise anything
        traceback.print_exc()
        print("Unable to load the model", file=sys.stderr, flush=True)
        return 1
    serve(endpoint, threads=1)
    return 0


def _script(layout: Layout) -> ModuleType | None:
    code = layout.model / "code"
    if not (code / _PROGRAM).is_file():
        return None
    make_importable(code)
    return functions.load(code, _PROGRAM)
