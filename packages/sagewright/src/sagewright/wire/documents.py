"""Documents: what handlers receive and return, and their conversion from and to a wire format.

A document has AWS's spelling; a timestamp is a float of epoch seconds; a blob is base64 text, except a payload blob, which is bytes.
A protocol differs from that only in a few leaves, so a conversion is compiled per shape and is None where nothing differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from sagewright.wire.errors import Fault
from sagewright.wire.model import Shape

Document = dict[str, Any]
Conversion = Callable[[Any], Any]

MAX_DEPTH = 64
"""Deepest nesting of a request; DynamoDB's documented limit is 32, no SageMaker shape needs more than 20."""

_EARLIEST = -62_135_596_800.0  # 0001-01-01
_LATEST = 253_402_300_799.999  # 9999-12-31


def malformed(message: str) -> Fault:
    """The fault for a body that cannot be read at all."""
    return Fault("SerializationException", message)


def conversion(shape: Shape | None, leaf: Callable[[Shape], Conversion | None]) -> Conversion | None:
    """Compiles a copy-on-write conversion of values of ``shape``; None when no leaf of it needs one.

    ``leaf`` gives the conversion of a scalar shape, or None. Values of another type than the shape says pass through unchanged,
    because finding those is validation's work.
    """
    return None if shape is None else _compile(shape, leaf, {}, _affected(shape, leaf))


def refuse_deep(value: Any) -> None:
    """Raises a Fault when containers are nested deeper than MAX_DEPTH; needed only for recursive shapes and never recursive itself."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise malformed(f"Nesting is deeper than {MAX_DEPTH} levels")
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        depth += 1


def is_recursive(shape: Shape | None) -> bool:
    """Whether values of a shape can be nested without end."""
    return shape is not None and _reaches_itself(shape, set(), set())


def epoch(value: Any) -> float:
    """A timestamp given as a number; raises a Fault for NaN, infinity and what lies outside the years 1 to 9999."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _EARLIEST <= value <= _LATEST:
        raise malformed("Value cannot be converted to seconds since epoch")
    return float(value)


def epoch_of_text(text: str) -> float:
    """A timestamp given as ISO 8601, RFC 7231 or a decimal number; raises a Fault."""
    for read in (_read_iso, _read_http, float):
        try:
            seconds = read(text)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
        if math.isfinite(seconds) and _EARLIEST <= seconds <= _LATEST:
            return seconds
    raise malformed("STRING_VALUE cannot be converted to a timestamp")


def iso8601(seconds: float) -> str:
    """``2026-01-31T12:00:00Z``, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond >= 1000 else "seconds")[:-6] + "Z"


def http_date(seconds: float) -> str:
    """``Sat, 31 Jan 2026 12:00:00 GMT``, the form timestamps have in headers."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC).replace(microsecond=0), usegmt=True)


def _read_iso(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _read_http(text: str) -> float:
    return parsedate_to_datetime(text).timestamp()


def _children(shape: Shape) -> list[Shape]:
    if shape.type_name == "structure":
        return list(shape.members.values())
    if shape.type_name == "list":
        return [shape.member]
    return [shape.key, shape.value] if shape.type_name == "map" else []


def _reaches_itself(shape: Shape, above: set[str], done: set[str]) -> bool:
    if shape.name in above:
        return True
    if shape.name in done:
        return False
    above.add(shape.name)
    found = any(_reaches_itself(child, above, done) for child in _children(shape))
    above.remove(shape.name)
    done.add(shape.name)
    return found


def _affected(root: Shape, leaf: Callable[[Shape], Conversion | None]) -> frozenset[Any]:
    """Identities (see _identity) of the shapes below ``root`` that hold, at any depth, a leaf with a conversion."""
    shapes: dict[Any, Shape] = {}
    parents: dict[Any, set[Any]] = {}
    queue = [root]
    while queue:
        shape = queue.pop()
        if _identity(shape) in shapes:
            continue
        shapes[_identity(shape)] = shape
        for child in _children(shape):
            parents.setdefault(_identity(child), set()).add(_identity(shape))
            queue.append(child)
    found: set[Any] = set()
    spread = [key for key, shape in shapes.items() if not _children(shape) and leaf(shape) is not None]
    while spread:
        key = spread.pop()
        if key not in found:
            found.add(key)
            spread.extend(parents.get(key, ()))
    return frozenset(found)


def _identity(shape: Shape) -> Any:
    """One shape name can serve members with different traits (``timestampFormat``, ``jsonvalue``, ``location``)."""
    return shape.name, tuple(sorted((key, str(value)) for key, value in shape.serialization.items()))


def _compile(
    shape: Shape, leaf: Callable[[Shape], Conversion | None], done: dict[Any, Conversion], affected: frozenset[Any]
) -> Conversion | None:
    key = _identity(shape)
    if key not in affected:
        return None
    if key in done:
        return lambda value: done[key](value)
    done[key] = lambda value: value  # replaced below; a recursive shape reaches it through ``done``
    if shape.type_name == "structure":
        members = {name: _compile(member, leaf, done, affected) for name, member in shape.members.items()}
        done[key] = _structure({name: convert for name, convert in members.items() if convert})
    elif shape.type_name == "list":
        done[key] = _list(_compile(shape.member, leaf, done, affected))
    elif shape.type_name == "map":
        done[key] = _map(_compile(shape.value, leaf, done, affected))
    else:
        done[key] = leaf(shape) or done[key]
    return done[key]


def _structure(members: dict[str, Conversion]) -> Conversion:
    def convert(value: Any) -> Any:
        if type(value) is not dict:
            return value
        changed = {name: members[name](value[name]) for name in members.keys() & value.keys() if value[name] is not None}
        return {**value, **changed} if changed else value

    return convert


def _list(member: Conversion | None) -> Conversion:
    def convert(value: Any) -> Any:
        return [item if item is None or member is None else member(item) for item in value] if type(value) is list else value

    return convert


def _map(item: Conversion | None) -> Conversion:
    def convert(value: Any) -> Any:
        if type(value) is not dict or item is None:
            return value
        return {key: None if entry is None else item(entry) for key, entry in value.items()}

    return convert
