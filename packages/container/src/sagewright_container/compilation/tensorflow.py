"""Models of TensorFlow and Keras as ONNX, by tf2onnx: a SavedModel, a frozen graph, or a Keras file (DG:neo-compilation-preparing-model).

Each becomes a function of named tensors, which is converted, and asked for the answers that the compiled model is held against.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagewright_container.compilation.source import Example, InputError, Source

_OPSET = 18
_DEFAULT = "serving_default"
Shapes = Mapping[str, "list[int]"]


@dataclass(frozen=True)
class _Model:
    """``specs`` are TensorSpecs by the inputs' names; ``run`` takes and returns tensors by name."""

    specs: Mapping[str, Any]
    run: Callable[[Mapping[str, Any]], Mapping[str, Any]]


def read_tensorflow(folder: Path, shapes: Shapes) -> Source:
    """Shapes are NHWC. Raises InputError, and what TensorFlow raises."""
    tensorflow = importlib.import_module("tensorflow")
    saved = sorted(folder.rglob("saved_model.pb"))
    files = saved or sorted(folder.rglob("*.pb"))  # beside a SavedModel's lie some that are no graphs
    if len(files) != 1:
        found = len(files)
        raise InputError(
            f"Exactly one .pb file (a SavedModel or a frozen graph) is allowed for TENSORFLOW models, found {found}"
        )
    model = _saved(tensorflow, files[0].parent) if saved else _frozen(tensorflow, files[0], shapes)
    return _source(tensorflow, model, _fitting(model, shapes, "NHWC"))


def read_keras(folder: Path, shapes: Shapes) -> Source:
    """Shapes of images are NCHW, although the model's are NHWC. Raises InputError, and what Keras raises."""
    tensorflow = importlib.import_module("tensorflow")
    files = sorted(file for pattern in ("*.h5", "*.hdf5", "*.keras") for file in folder.rglob(pattern))
    if len(files) != 1:
        told = (
            f"Multiple h5 files provided, {folder}, when only one is allowed" if files else f"No h5 file provided in {folder}"
        )
        raise InputError(told)
    try:
        keras = tensorflow.keras.models.load_model(str(files[0]), compile=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise InputError(f"Unable to load provided Keras model. Error: {error}") from error
    names = [tensor.name for tensor in keras.inputs]

    def run(given: Mapping[str, Any]) -> Mapping[str, Any]:
        tensors = [given[name] for name in names]
        return _named(keras(tensors[0] if len(tensors) == 1 else tensors, training=False))

    specs = {tensor.name: tensorflow.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in keras.inputs}
    model = _Model(specs, run)
    own = {name: _channels_last(shape) for name, shape in shapes.items()}
    return _source(tensorflow, model, _fitting(model, own, "NCHW"))


def _named(found: Any) -> Mapping[str, Any]:
    if isinstance(found, dict):
        return found
    answers = found if isinstance(found, (list, tuple)) else [found]
    return {f"output_{number}": answer for number, answer in enumerate(answers)}


def _channels_last(shape: list[int]) -> list[int]:
    return [shape[0], *shape[2:], shape[1]] if len(shape) > 3 else shape


def _saved(tensorflow: Any, folder: Path) -> _Model:
    loaded = tensorflow.saved_model.load(str(folder))
    signatures = dict(loaded.signatures)
    if _DEFAULT not in signatures and len(signatures) != 1:
        raise InputError(f"the SavedModel has no signature {_DEFAULT}; it has {', '.join(signatures) or 'none'}")
    signature = signatures.get(_DEFAULT) or next(iter(signatures.values()))

    def run(given: Mapping[str, Any], kept: Any = loaded) -> Mapping[str, Any]:
        """``kept``: a signature alone does not keep its model's variables."""
        answers: Mapping[str, Any] = signature(**given)
        return answers

    return _Model(signature.structured_input_signature[1], run)


def _frozen(tensorflow: Any, file: Path, shapes: Shapes) -> _Model:
    """Its inputs are those that the request names, its outputs the nodes that nothing takes."""
    graph = tensorflow.compat.v1.GraphDef()
    try:
        graph.ParseFromString(file.read_bytes())
    except Exception as error:
        raise InputError(f"{file.name} is no frozen graph: {error}") from error
    there = {node.name for node in graph.node if node.op == "Placeholder"}
    if set(shapes) != there:
        raise InputError(
            f"DataInputConfig names {', '.join(shapes)}; the graph's inputs are {', '.join(sorted(there)) or 'none'}"
        )
    taken = {name.lstrip("^").partition(":")[0] for node in graph.node for name in node.input}
    ends = [
        node.name for node in graph.node if node.name not in taken and node.op not in ("Const", "NoOp", "Placeholder", "Assert")
    ]
    wrapped = tensorflow.compat.v1.wrap_function(lambda: tensorflow.graph_util.import_graph_def(graph, name=""), [])
    names = list(shapes)
    inputs = [wrapped.graph.get_tensor_by_name(f"{name}:0") for name in names]
    function = wrapped.prune(inputs, [wrapped.graph.get_tensor_by_name(f"{name}:0") for name in ends])
    specs = {name: tensorflow.TensorSpec(node.shape, node.dtype, name) for name, node in zip(names, inputs)}  # noqa: B905

    def run(given: Mapping[str, Any]) -> Mapping[str, Any]:
        found = function(*(given[name] for name in names))
        return dict(zip((name.replace("/", "_") for name in ends), found))  # noqa: B905 - Python 3.9

    return _Model(specs, run)


def _fitting(model: _Model, shapes: Shapes, form: str) -> Shapes:
    """The shapes, held against the model's. Raises InputError."""
    if shapes.keys() != model.specs.keys():
        raise InputError(f"DataInputConfig names {', '.join(shapes)}; the model's inputs are {', '.join(model.specs)}")
    for name, shape in shapes.items():
        wanted = model.specs[name].shape
        if not wanted.is_compatible_with(shape):
            told = f"Input shapes should be provided in {form} format; the model's own is {wanted}"
            raise InputError(f"Input {name} has wrong shape in Input Shape dictionary. {told}")
    return shapes


def _source(tensorflow: Any, model: _Model, shapes: Shapes) -> Source:
    names = list(model.specs)

    @tensorflow.function  # type: ignore[untyped-decorator]
    def function(*tensors: Any) -> Any:
        return model.run(dict(zip(names, tensors)))  # noqa: B905 - Python 3.9

    asked = [tensorflow.TensorSpec(spec.shape, spec.dtype, name) for name, spec in model.specs.items()]
    converted, _ = importlib.import_module("tf2onnx").convert.from_function(function, asked, opset=_OPSET)
    outputs = tuple(output.name for output in converted.graph.output)
    example = {name: _values(model.specs[name].dtype, shape) for name, shape in shapes.items()}

    def answer(given: Example) -> list[Any]:
        found = function(*(tensorflow.constant(given[name]) for name in names))
        return [found[name].numpy() for name in outputs]

    return Source(converted.SerializeToString(), outputs, example, answer)


def _values(dtype: Any, shape: list[int]) -> Any:
    """Whole numbers may be places in a table: the first two are in any."""
    kind, generator = np.dtype(dtype.as_numpy_dtype), np.random.default_rng(0)
    if kind.kind in "iu":
        return generator.integers(0, 2, shape).astype(kind)
    if kind.kind == "f":
        return generator.normal(size=shape).astype(kind)
    raise InputError(f"an input of {dtype.name} cannot be compiled: numbers can")
