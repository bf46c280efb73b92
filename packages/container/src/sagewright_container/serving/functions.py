"""The functions of a user's inference script: model_fn, input_fn, predict_fn, output_fn, or transform_fn for all three."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sagewright_container.errors import CodeError
from sagewright_container.serving.context import Context
from sagewright_container.serving.frameworks import Defaults, Function
from sagewright_container.serving.message import Response

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Functions:
    """Each takes the context last; ``transform_fn`` is None when the script has none."""

    model_fn: Function
    input_fn: Function
    predict_fn: Function
    output_fn: Function
    transform_fn: Function | None
    failed: Callable[[Exception], Response] | None = None


def load(folder: Path, program: str) -> ModuleType:
    """Imports ``folder/program`` under its own name, as pickles may name it. Raises CodeError and what the script raises."""
    path = folder / program
    if not path.is_file():
        raise CodeError(f"the script {program} is not in {folder}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CodeError(f"the script {program} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def bind(module: ModuleType | None, defaults: Defaults) -> Functions:
    """The script's functions, with the framework's for those it leaves out. Raises CodeError when they contradict."""
    transform = getattr(module, "transform_fn", None)
    if transform is not None and any(hasattr(module, name) for name in ("input_fn", "predict_fn", "output_fn")):
        raise CodeError(
            "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn implementation"
        )
    return Functions(
        _with_context(getattr(module, "model_fn", defaults.model_fn), 1),
        _with_context(getattr(module, "input_fn", defaults.input_fn), 2),
        _with_context(getattr(module, "predict_fn", defaults.predict_fn), 2),
        _with_context(getattr(module, "output_fn", defaults.output_fn), 2),
        None if transform is None else _with_context(transform, 4),
        defaults.failed,
    )


def _with_context(function: Function, arguments: int) -> Function:
    """A function that takes one argument more than it must gets the context there; others never see it."""
    if _takes(function, arguments + 1):
        return function

    def without_context(*given: Any) -> Any:
        *wanted, context = given
        assert isinstance(context, Context)
        return function(*wanted)

    return without_context


def _takes(function: Function, count: int) -> bool:
    try:
        kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    except ValueError:  # a built-in without a signature
        return False
    return sum(kind in _POSITIONAL for kind in kinds) >= count
