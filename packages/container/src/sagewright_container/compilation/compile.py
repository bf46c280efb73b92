"""``compile``: a model archive becomes an ONNX model that ONNX Runtime has optimized, checked against the original's answers.

Reads /opt/ml/input/config/compilationjob.json and /opt/ml/input/model, writes /opt/ml/model: model.onnx, compiled.json and the
archive's code folder. Models may be pickles: this runs in a container without a network.
"""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from sagewright_container.compilation.models import read
from sagewright_container.compilation.source import InputError, Source
from sagewright_container.layout import Layout

_TOLERANCE = 1e-3
_LEVEL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # what comes above is for this machine's processor alone


def main() -> int:
    """0, or 1 with a failure file."""
    layout = Layout.current()
    try:
        _compile(layout)
    except InputError as error:
        return _fail(layout, f"ClientError: InputConfiguration: {error}")
    except Exception as error:  # noqa: BLE001 - a user's model may raise anything when it is read
        traceback.print_exc()
        return _fail(layout, f"ClientError: The model cannot be compiled: {type(error).__name__}: {error}")
    return 0


def _compile(layout: Layout) -> None:
    task: dict[str, Any] = json.loads((layout.config / "compilationjob.json").read_text(encoding="utf-8"))
    folder = layout.input / "model"
    source = read(task["Framework"], folder, task["DataInputConfig"])
    raw, goal = layout.output / "model.onnx", layout.model / "model.onnx"
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.write_bytes(source.onnx)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _LEVEL
    options.optimized_model_filepath = str(goal)
    onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
    column = _check(source, goal)
    about = {"Framework": task["Framework"], "Target": task["Target"], "outputs": list(source.outputs), "column": column}
    (layout.model / "compiled.json").write_text(json.dumps(about), encoding="utf-8")
    if (folder / "code").is_dir():
        shutil.copytree(folder / "code", layout.model / "code", dirs_exist_ok=True)
    print(f"compiled a model of {task['Framework']}: {goal.stat().st_size} bytes", flush=True)


def _check(source: Source, file: Path) -> int | None:
    """The column that is the answer: the compiled model answers as the original does, in the same shape. Raises InputError."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    if source.original is None:
        return source.column
    found = [np.asarray(answer) for answer in session.run(list(source.outputs), source.example)]
    wanted = [np.asarray(answer) for answer in source.original(source.example)]
    flat = found[0].ndim == 2 and found[0].shape[1] == 1 and wanted[0].ndim == 1
    column = 0 if source.column is None and flat else source.column
    for one, other in zip(found, wanted):  # noqa: B905 - Python 3.9
        if not _close(one if column is None else one[:, column], other):
            raise InputError("the compiled model would answer otherwise than the original: a part of it has no form in ONNX")
    return column


def _close(one: Any, other: Any) -> bool:
    if one.dtype.kind in "OUS" or other.dtype.kind in "OUS":
        return bool((one.astype(str) == other.astype(str)).mean() > 0.99)
    return bool(np.allclose(one.reshape(-1), other.reshape(-1), rtol=_TOLERANCE, atol=_TOLERANCE))


def _fail(layout: Layout, reason: str) -> int:
    layout.failure.parent.mkdir(parents=True, exist_ok=True)
    layout.failure.write_text(reason, encoding="utf-8")
    print(reason, file=sys.stderr, flush=True)
    return 1
