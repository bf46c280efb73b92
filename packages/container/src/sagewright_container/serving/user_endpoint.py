"""From the environment and the model folder to a loaded endpoint: finds the user's script, binds its functions, loads the model.

Beside AWS's functions a script may have one of ours: ``endpoint_fn(model_dir)`` returns an ``Endpoint``, which gets the requests as
they come, all that have arrived at once, and answers with a status of its own. The scripts of JumpStart's models do.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from sagewright_container import interpreter
from sagewright_container.code import make_importable, prepare
from sagewright_container.errors import CodeError
from sagewright_container.layout import Layout
from sagewright_container.python_path import add_to_path
from sagewright_container.serving import functions, shared_libraries
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.frameworks import defaults
from sagewright_container.serving.handler import UserEndpoint

_DEFAULT_PROGRAM = "inference.py"
_WHOLE = "endpoint_fn"


def load(layout: Layout, renewable: bool = False) -> Endpoint:
    """Raises CodeError, and whatever the user's script and its model_fn raise.

    ``renewable``: this process serves alone, and may begin anew where the script brought other versions than it has in memory.
    """
    _configure_logging()
    interpreter.adopt()
    code = _code(layout)
    program = _program()
    module = None
    if "SAGEMAKER_PROGRAM" in os.environ or (code / program).is_file():
        make_importable(code)
        if renewable and interpreter.is_stale():
            interpreter.renew("serve")
        shared_libraries.take(layout.model)
        module = functions.load(code, program)
    return _endpoint(module, layout.model)


def opener(layout: Layout) -> Callable[[Path], Endpoint]:
    """What opens each of many models: with the script beside them all, else with the one in its own ``code`` folder.

    Raises CodeError, and what the script raises. Modules that scripts of several models import by one name are one module.
    """
    _configure_logging()
    interpreter.adopt()
    shared = None
    if "SAGEMAKER_SUBMIT_DIRECTORY" in os.environ:
        code = prepare(layout, os.environ["SAGEMAKER_SUBMIT_DIRECTORY"])
        make_importable(code)
        shared = functions.load(code, _program())
    else:
        make_importable(layout.code)

    def open_model(folder: Path) -> Endpoint:
        module, code = shared, folder / "code"
        if module is None and (code / _program()).is_file():
            if str(code) not in sys.path:
                add_to_path(code)
            module = functions.load(code, _program())
        return _endpoint(module, folder)

    return open_model


def _endpoint(module: ModuleType | None, folder: Path) -> Endpoint:
    if hasattr(module, _WHOLE):
        endpoint: Endpoint = getattr(module, _WHOLE)(str(folder))
        return endpoint
    return UserEndpoint(functions.bind(module, defaults(folder)), folder)


def _configure_logging() -> None:
    """A script's ``logging`` is seen: plain lines from INFO on, as AWS's model server has it (SAGEMAKER_CONTAINER_LOG_LEVEL)."""
    level = os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL") or str(logging.INFO)
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    with suppress(ValueError):  # a level nobody knows
        logging.getLogger().setLevel(int(level) if level.isdigit() else level.upper())


def _code(layout: Layout) -> Path:
    """The submit directory; without one, or where it is not there, the model archive's own ``code`` folder."""
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    inside = layout.model / "code"
    try:
        return prepare(layout, source or (str(inside) if inside.is_dir() else ""))
    except CodeError:
        if (inside / _program()).is_file():  # an archive that was repacked with its script
            return inside
        raise


def _program() -> str:
    return os.environ.get("SAGEMAKER_PROGRAM") or _DEFAULT_PROGRAM
