"""``train``: runs the user's program (script mode) or the built-in algorithm of this image.

Imports only the standard library: a zygote loads this module beside the image's own libraries and forks.
"""

from __future__ import annotations

import importlib
import os
import traceback

from sagewright_container import log
from sagewright_container.failure import write_failure
from sagewright_container.layout import Layout
from sagewright_container.pipes.start import start as start_pipes
from sagewright_container.python_path import add_to_path
from sagewright_container.training import environment, script


def main() -> int:
    """Runs the job; returns the exit code. For ``python -m sagewright_container train`` and a zygote's child."""
    layout = Layout.current()
    try:
        found = environment.read(layout)
    except ValueError as error:
        return _fail(layout, f"framework error: \n{error}")
    start_pipes(layout)
    if found.program:
        return script.run(found)
    if os.environ.get("SAGEMAKER_TRAINING_MODULE"):
        return _train_by_module(layout, os.environ["SAGEMAKER_TRAINING_MODULE"])
    return _train_built_in(layout)


def _train_built_in(layout: Layout) -> int:
    algorithm = os.environ.get("SAGEWRIGHT_ALGORITHM", "")
    name = algorithm.replace("-", "_")
    if not name.isidentifier():
        return _fail(
            layout, "framework error: \nno program was named (sagemaker_program) and the image has no algorithm of its own"
        )
    code: int = importlib.import_module(f"sagewright_algorithms.{name}.train").main()
    return code


def _train_by_module(layout: Layout, named: str) -> int:
    """``package.module:function`` (default ``main``), as an image of AWS's toolkit names its framework."""
    name, _, function = named.partition(":")
    add_to_path(layout.code)
    try:
        code = getattr(importlib.import_module(name), function or "main")()
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything: it is the reason of the failure
        return _fail(layout, f"framework error: \n{traceback.format_exc(limit=-1)}\n{error}")
    return code if isinstance(code, int) else 0


def _fail(layout: Layout, text: str) -> int:
    log.error(text)
    write_failure(layout, text)
    return 1
