"""What the images of compiled models (Neo) do without a script: ONNX Runtime answers rows as the original model would."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from sagewright_container.errors import CodeError
from sagewright_container.serving.content import JSON, Array, decode, encode, media_type
from sagewright_container.serving.frameworks import Defaults

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class CompiledModel:
    """model.onnx with compiled.json beside it. Raises CodeError. ``inputs`` are names and types, ``outputs`` names."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "compiled.json").is_file():
            raise CodeError(f"{folder} has no compiled.json: the model archive is not the artefact of a compilation job.")
        about = json.loads((folder / "compiled.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.outputs: tuple[str, ...] = tuple(about["outputs"])
        self._column = about["column"]
        self.inputs: dict[str, type[np.generic]] = {
            given.name: _TYPES.get(given.type, np.float32) for given in self._session.get_inputs()
        }

    def __call__(self, data: Any) -> Any:
        """An array for a model of one input, a mapping by name for others. One output is an array, several a list. Raises ValueError."""
        given = data if isinstance(data, dict) else {next(iter(self.inputs)): data}
        if given.keys() != self.inputs.keys():
            raise ValueError(f"the model's inputs are {', '.join(self.inputs)}")
        tensors: dict[str, Array] = {name: np.ascontiguousarray(value, self.inputs[name]) for name, value in given.items()}
        found = self._session.run(self.outputs, tensors)
        answers = [answer if self._column is None else answer[:, self._column] for answer in found]
        return answers[0] if len(answers) == 1 else answers


def _model(model_dir: str) -> CompiledModel:
    return CompiledModel(Path(model_dir))


def _input(data: str | bytes, content_type: str) -> Any:
    """JSON may name inputs; rows of CSV are rows of the first."""
    if media_type(content_type) == JSON:
        document = json.loads(data)
        return {name: np.array(value) for name, value in document.items()} if isinstance(document, dict) else np.array(document)
    return decode(data, content_type)


def _predict(data: Any, model: CompiledModel) -> Any:
    return model(data)


def _output(prediction: Any, accept: str) -> bytes:
    if isinstance(prediction, list) and media_type(accept) == JSON:
        return json.dumps([_plain(answer) for answer in prediction]).encode()
    return encode(prediction, accept)


def _plain(answer: Array) -> Any:
    return answer.tolist()


DEFAULTS = Defaults(_model, _input, _predict, _output)
