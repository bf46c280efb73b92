"""From a stored document to an answer: what a shape can carry, compiled once per shape.

A document is the spec the user sent, overlaid by the status the platform wrote. Members the shape does not have and members without
a value are left out, at every depth: AWS never answers null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagewright.kernel.shapes import Shape, members
from sagewright.store.rows import Document

Project = Callable[[Any], Any]


class Projections:
    """Compiled projections of one model; ``trusted`` shapes pass as they are, because requests of theirs were validated when they came."""

    def __init__(self) -> None:
        self._compiled: dict[str, Project] = {}

    def of(
        self, shape: Shape | None, trusted: Mapping[str, Shape] | None = None, aliases: Mapping[str, str] | None = None
    ) -> Project:
        """The projection onto a structure.

        ``trusted`` are the members of the request that became the spec: where both shapes are the same the value is taken as it is.
        ``aliases`` name the path in the document that a member comes from.
        """
        if shape is None:
            return _nothing
        known = trusted or {}
        plan: list[tuple[str, str | tuple[str, ...], Project | None]] = []
        for name, member in members(shape).items():
            source = (aliases or {}).get(name, name)
            path: str | tuple[str, ...] = tuple(source.split(".")) if "." in source else source
            same = source in known and known[source].name == member.name
            plan.append((name, path, None if same else self._nested(member)))
        return _structure(plan)

    def _nested(self, shape: Shape) -> Project | None:
        """None where every value passes unchanged."""
        if shape.type_name not in ("structure", "list", "map"):
            return None
        if shape.name not in self._compiled:
            self._compiled[shape.name] = lambda value: self._compiled[shape.name](value)  # a recursive shape finds itself here
            self._compiled[shape.name] = self._build(shape)
        return self._compiled[shape.name]

    def _build(self, shape: Shape) -> Project:
        if shape.type_name == "structure":
            return _structure([(name, name, self._nested(member)) for name, member in shape.members.items()])
        if shape.type_name == "list":
            return _list(self._nested(shape.member))
        return _map(self._nested(shape.value))


def at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = document
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def every(document: Mapping[str, Any], path: str) -> list[Any]:
    """All values at a path in which ``[]`` after a member stands for each item of the list there."""
    values: list[Any] = [document]
    for step in path.split("."):
        member = step.removesuffix("[]")
        values = [value[member] for value in values if isinstance(value, Mapping) and value.get(member) is not None]
        if step.endswith("[]"):
            values = [item for value in values if isinstance(value, list) for item in value]
    return values


def _nothing(_: Any) -> Document:
    return {}


def _structure(plan: list[tuple[str, str | tuple[str, ...], Project | None]]) -> Project:
    plain = [(name, path, inner) for name, path, inner in plan if isinstance(path, str)]
    deep = [(name, ".".join(path), inner) for name, path, inner in plan if not isinstance(path, str)]

    def project(document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        answer = {}
        for name, source, inner in plain:
            value = document.get(source)
            if value is not None:
                answer[name] = value if inner is None else inner(value)
        for name, path, inner in deep:
            value = document.get(name)
            value = at(document, path) if value is None else value
            if value is not None:
                answer[name] = value if inner is None else inner(value)
        return answer

    return project


def _list(inner: Project | None) -> Project:
    def project(values: Any) -> Any:
        return [inner(value) for value in values] if inner is not None and isinstance(values, list) else values

    return project


def _map(inner: Project | None) -> Project:
    def project(values: Any) -> Any:
        if inner is None or not isinstance(values, Mapping):
            return values
        return {key: inner(value) for key, value in values.items()}

    return project
