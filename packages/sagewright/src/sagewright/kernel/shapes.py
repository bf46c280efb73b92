"""The part of a service model that the engine reads: operations with their input, output and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sagewright.wire.model import ServiceModel, Shape, service_model

__all__ = ["Model", "Shape", "members", "token_member"]


class Model:
    """One service's operations; every answer about an operation that is not there is an empty one."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._model: ServiceModel = service_model(service)
        self._names = frozenset(self._model.operation_names)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __contains__(self, operation: object) -> bool:
        return operation in self._names

    def input(self, operation: str | None) -> Shape | None:
        """The structure of a request; None for an operation without input."""
        return self._model.operation_model(operation).input_shape if operation in self._names else None

    def output(self, operation: str | None) -> Shape | None:
        """The structure of an answer; None for an operation that answers nothing."""
        return self._model.operation_model(operation).output_shape if operation in self._names else None

    def errors(self, operation: str | None) -> Sequence[str]:
        """Names of the error shapes an operation declares."""
        shapes = self._model.operation_model(operation).error_shapes if operation in self._names else ()
        return tuple(shape.name for shape in shapes)


def members(shape: Shape | None) -> Mapping[str, Shape]:
    """The members of a structure; none for no shape at all."""
    found: Mapping[str, Shape] = shape.members if shape is not None else {}
    return found


def token_member(shape: Shape | None) -> str:
    """The member that makes a repeated request the same request (ClientToken, ClientRequestToken), or empty."""
    return next((name for name in ("ClientToken", "ClientRequestToken") if name in members(shape)), "")
