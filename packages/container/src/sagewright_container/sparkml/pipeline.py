"""A bundle as one function from columns to columns. A stage that is not known is named when the bundle is read, not when it is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sagewright_container.sparkml.bundle import Array, BundleError, Node
from sagewright_container.sparkml.features import TRANSFORMERS, Transform
from sagewright_container.sparkml.predictors import CLASSIFIERS, REGRESSIONS, Classifier, Regression

Frame = dict[str, Array]
Stage = Callable[[Frame], None]
"""Adds its columns. Raises ValueError."""
_RAW = ("raw_prediction", "rawPrediction")


def build(node: Node) -> list[Stage]:
    """The stages in their order. Raises BundleError."""
    if node.model.op == "pipeline":
        return [stage for child in node.children() for stage in build(child)]
    op = node.model.op
    if op in TRANSFORMERS:
        return [_transformer(node, TRANSFORMERS[op](node.model))]
    if op in REGRESSIONS:
        return [_regression(node, REGRESSIONS[op](node.model))]
    if op in CLASSIFIERS:
        return [_classifier(node, CLASSIFIERS[op](node.model))]
    known_ops = ", ".join(sorted({"pipeline", *TRANSFORMERS, *REGRESSIONS, *CLASSIFIERS}))
    raise BundleError(f'the stage {node.name} has the op "{op}", which cannot be evaluated here; these can: {known_ops}')


def run(stages: list[Stage], frame: Frame) -> Frame:
    """All columns. Raises ValueError."""
    found = dict(frame)
    for stage in stages:
        stage(found)
    return found


def _transformer(node: Node, transform: Transform) -> Stage:
    inputs, outputs = _ordered(node.inputs), _ordered(node.outputs)

    def stage(frame: Frame) -> None:
        frame.update(zip(outputs, transform([_column(frame, name) for name in inputs])))  # noqa: B905 - Python 3.9

    return stage


def _regression(node: Node, predict: Regression) -> Stage:
    features, prediction = _port(node.inputs, "features", node), _port(node.outputs, "prediction", node)

    def stage(frame: Frame) -> None:
        frame[prediction] = predict(_vectors(frame, features))

    return stage


def _classifier(node: Node, classify: Classifier) -> Stage:
    features, outputs = _port(node.inputs, "features", node), node.outputs

    def stage(frame: Frame) -> None:
        scores = classify(_vectors(frame, features))
        for port, column in outputs.items():
            frame[column] = scores.raw if port in _RAW else getattr(scores, port)

    unknown = set(outputs) - {*_RAW, "probability", "prediction"}
    if unknown:
        raise BundleError(f"the stage {node.name} has a port {unknown.pop()}, which is not known of {node.model.op}")
    return stage


def _ordered(ports: Mapping[str, str]) -> list[str]:
    """``input``, or ``input0``, ``input1`` … by number."""
    return [ports[port] for port in sorted(ports, key=lambda port: int((re.search(r"\d+$", port) or ["0"])[0]))]


def _port(ports: Mapping[str, str], name: str, node: Node) -> str:
    if name not in ports:
        raise BundleError(f"the stage {node.name} has no port {name}")
    return ports[name]


def _vectors(frame: Frame, name: str) -> Array:
    column = _column(frame, name)
    if column.ndim != 2:
        raise ValueError(f"the column {name} holds no vectors")
    return column


def _column(frame: Frame, name: str) -> Array:
    if name not in frame:
        raise ValueError(f"the pipeline takes the column {name}, which the schema does not have; it has {', '.join(frame)}")
    return frame[name]
