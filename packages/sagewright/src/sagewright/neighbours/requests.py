"""What the handlers of all neighbours do with a request: refuse what is not honoured, cut pages, read page tokens."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import orjson

from sagewright.kernel.operation import Handler
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

Handlers = Mapping[str, Handler]
Item = TypeVar("Item")


def refuse(request: Document, code: str, *members: str) -> None:
    """Raises a Fault for the first of these members that the request has: what is not honoured is not swallowed."""
    for member in members:
        if request.get(member):
            raise Fault(code, f"Sagewright does not support the parameter {member}.")


def make_marker(place: Sequence[str | int]) -> str:
    """An opaque text for a place in a list."""
    return base64.urlsafe_b64encode(orjson.dumps(list(place))).decode()


def read_marker(marker: str, length: int, invalid: Fault) -> list[str]:
    """The texts of a marker of that many; raises ``invalid`` for one that is not ours."""
    try:
        place = orjson.loads(base64.b64decode(marker.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise invalid from None
    if not isinstance(place, list) or len(place) != length or not all(isinstance(part, str) for part in place):
        raise invalid
    return place


def iam_page(items: Sequence[Item], name: Callable[[Item], str], request: Document) -> tuple[list[Item], Document]:
    """One page in the order of names, as IAM lists: ``Marker`` and ``MaxItems`` in, ``IsTruncated`` and ``Marker`` out."""
    ordered = sorted(items, key=name)
    if "Marker" in request:
        (last,) = read_marker(request["Marker"], 1, Fault("ValidationError", "Invalid Marker."))
        ordered = [item for item in ordered if name(item) > last]
    page = ordered[: request.get("MaxItems", 100)]
    if len(page) == len(ordered):
        return page, {"IsTruncated": False}
    return page, {"IsTruncated": True, "Marker": make_marker([name(page[-1])])}
