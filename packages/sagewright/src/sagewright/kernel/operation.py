"""An operation: a handler for one call of the public API. One registry; written by hand wins over derived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from sagewright.base.world import World
from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: proven by the signature. ``arn`` is an IAM user's or an assumed role's."""

    world: World
    arn: str
    access_key: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler knows of a call besides its request: who, which call, when (epoch seconds)."""

    caller: Caller
    request_id: str
    now: float

    @property
    def world(self) -> World:
        return self.caller.world


Handler = Callable[[Context, Document], Awaitable[Document]]


class Operations:
    """Handlers by service and operation name (botocore's names: ``sagemaker``, ``CreateModel``)."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], Handler] = {}
        self._derived: dict[tuple[str, str], Handler] = {}

    def write(self, service: str, name: str, handler: Handler) -> None:
        """Registers a handler written by hand; raises ValueError when there is one already."""
        if (service, name) in self._written:
            raise ValueError(f"{service}.{name} has a handler already")
        self._written[service, name] = handler

    def write_all(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """The same of several, by operation name."""
        for name, handler in handlers.items():
            self.write(service, name, handler)

    def derive(self, service: str, name: str, handler: Handler) -> None:
        """Registers the handler that follows from the service model."""
        self._derived[service, name] = handler

    def find(self, service: str, name: str) -> Handler | None:
        """The handler to call, or None when the operation is not there yet."""
        return self._written.get((service, name)) or self._derived.get((service, name))

    def derived(self, service: str, name: str) -> Handler:
        """The handler that follows from the service model, for one that is written over it. Raises LookupError."""
        if (service, name) not in self._derived:
            raise LookupError(f"the engine has derived no {name}")
        return self._derived[service, name]

    def origin(self, service: str, name: str) -> str:
        """written, derived or absent: for docs/coverage.md."""
        if (service, name) in self._written:
            return "written"
        return "derived" if (service, name) in self._derived else "absent"

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._written.keys() | self._derived.keys())
