"""Models of the frameworks as ONNX, and how the originals answer. Libraries are loaded by name: a job needs one framework's."""

from __future__ import annotations

import importlib
import io
import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sagewright_container.compilation.source import Array, Example, InputError, Source

_ROWS = 64


def read(framework: str, folder: Path, shapes: str) -> Source:
    """``shapes`` is DataInputConfig. Raises InputError, and what the framework raises."""
    warnings.simplefilter("ignore")  # of older versions' pickles and exporters; what is wrong shows in the answers
    given = _shapes(json.loads(shapes) if shapes else {})
    return _READERS[framework](folder, given)


def _xgboost(folder: Path, _: Mapping[str, list[int]]) -> Source:
    file = _file(folder, "XGBOOST", ("xgboost-model", "*.json", "*.ubj", "*.model", "*.bst", "*.bin"))
    xgboost = importlib.import_module("xgboost")
    booster = _booster(xgboost, file)
    features = int(booster.num_features())
    booster.feature_names = None  # the converter wants f0, f1 …
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    kind = [("input", types.FloatTensorType([None, features]))]
    converted = importlib.import_module("onnxmltools").convert_xgboost(booster, initial_types=kind)
    names = [output.name for output in converted.graph.output]
    answer = np.asarray(booster.predict(xgboost.DMatrix(np.zeros((1, features), np.float32))))
    classes = "probabilities" in names
    return Source(
        converted.SerializeToString(),
        ("probabilities",) if classes and answer.dtype.kind == "f" and _is_probability(booster) else (names[0],),
        {"input": _random(features)},
        lambda example: [booster.predict(xgboost.DMatrix(example["input"]))],
        1 if classes and _is_probability(booster) and answer.ndim == 1 else None,
    )


def _is_probability(booster: Any) -> bool:
    """multi:softmax answers classes."""
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    return bool(objective != "multi:softmax")


def _booster(xgboost: Any, file: Path) -> Any:
    """As saved, or pickled, as older images have left it."""
    booster = xgboost.Booster()
    try:
        booster.load_model(str(file))
    except xgboost.core.XGBoostError:
        with file.open("rb") as content:
            found = pickle.load(content)
        return found.get_booster() if hasattr(found, "get_booster") else found
    return booster


def _sklearn(folder: Path, _: Mapping[str, list[int]]) -> Source:
    file = _file(folder, "SKLEARN", ("*.joblib", "*.pkl", "*.pickle"))
    model = importlib.import_module("joblib").load(file)
    features = int(getattr(model, "n_features_in_", 0))
    if not features or not hasattr(model, "predict"):
        raise InputError(f"{file.name} holds no fitted model of scikit-learn that predicts")
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    rows = _random(features)
    converted = importlib.import_module("skl2onnx").to_onnx(model, rows[:1], options=options)
    (name, *_others) = [output.name for output in converted.graph.output]
    return Source(
        converted.SerializeToString(),
        (name,),
        {converted.graph.input[0].name: rows},
        lambda example: [model.predict(_only(example))],
    )


def _pytorch(folder: Path, shapes: Mapping[str, list[int]]) -> Source:
    file = _file(folder, "PYTORCH", ("*.pth", "*.pt"))
    torch = importlib.import_module("torch")
    try:
        model = torch.jit.load(str(file), map_location="cpu").eval()
    except RuntimeError as error:
        raise InputError(f"{file.name} is no TorchScript model (torch.jit.save of a trace): {error}") from error
    generator = np.random.default_rng(0)
    example = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tensors = tuple(torch.from_numpy(value) for value in example.values())
    buffer, names = io.BytesIO(), list(example)
    free = {name: {0: "rows"} for name in names}
    torch.onnx.export(
        model, tensors, buffer, input_names=names, dynamic_axes=free, dynamo=False
    )  # only this one reads TorchScript
    onnx = buffer.getvalue()
    outputs = [output.name for output in importlib.import_module("onnx").load_from_string(onnx).graph.output]

    def answer(asked: Example) -> list[Array]:
        with torch.no_grad():
            found = model(*(torch.from_numpy(value) for value in asked.values()))
        return [tensor.detach().numpy() for tensor in (found if isinstance(found, (tuple, list)) else [found])]

    return Source(onnx, tuple(outputs), example, answer)


def _onnx(folder: Path, _: Mapping[str, list[int]]) -> Source:
    file = _file(folder, "ONNX", ("*.onnx",))
    onnx = importlib.import_module("onnx")
    try:
        model = onnx.load(str(file))
        onnx.checker.check_model(model)
    except Exception as error:
        raise InputError(f"{file.name} is no ONNX model: {error}") from error
    return Source(model.SerializeToString(), tuple(output.name for output in model.graph.output), {})


def _tensorflow(folder: Path, shapes: Mapping[str, list[int]]) -> Source:
    source: Source = importlib.import_module("sagewright_container.compilation.tensorflow").read_tensorflow(folder, shapes)
    return source


def _keras(folder: Path, shapes: Mapping[str, list[int]]) -> Source:
    source: Source = importlib.import_module("sagewright_container.compilation.tensorflow").read_keras(folder, shapes)
    return source


_READERS: Mapping[str, Callable[[Path, Mapping[str, list[int]]], Source]] = {
    "XGBOOST": _xgboost,
    "SKLEARN": _sklearn,
    "PYTORCH": _pytorch,
    "ONNX": _onnx,
    "TENSORFLOW": _tensorflow,
    "KERAS": _keras,
}


def _file(folder: Path, framework: str, patterns: tuple[str, ...]) -> Path:
    """DG neo-troubleshooting-compilation: exactly one. Raises InputError."""
    found = sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
    if len(found) != 1:
        kinds = ", ".join(patterns)
        raise InputError(f"Exactly one file ({kinds}) is allowed for {framework} model, found {len(found)}")
    return found[0]


def _shapes(given: Any) -> dict[str, list[int]]:
    """``{"name": shape}``, ``{"name": {"shape": …}}`` or a list of shapes, which are input0, input1 …"""
    named = given if isinstance(given, dict) else {f"input{number}": shape for number, shape in enumerate(given)}
    return {name: shape["shape"] if isinstance(shape, dict) else shape for name, shape in named.items()}


def _random(features: int) -> Array:
    return np.random.default_rng(0).normal(size=(_ROWS, features)).astype(np.float32)


def _only(example: Example) -> Array:
    (value,) = example.values()
    return value
