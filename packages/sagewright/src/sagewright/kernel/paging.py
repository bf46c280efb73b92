"""NextToken: where the next page starts, opaque to the caller and useless for another question.

A token is a keyset position, not an offset: a page stays right while rows come and go. It carries a keyed digest over the caller's
world, the operation, the filters and the position, so that a token made up or moved to another question is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

from sagewright.base.world import World
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

Item = TypeVar("Item")
Position = tuple[Any, str]

_UNBOUND = frozenset({"NextToken", "MaxResults"})


class Tokens:
    """Makes and reads the tokens of one secret; ``secret`` must stay the same for tokens to outlive a restart."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, world: World, operation: str, request: Document, position: Position) -> str:
        """The token that continues ``request`` after ``position`` (sort value, key)."""
        body = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._digest(world, operation, request, body) + body).decode()

    def read(self, world: World, operation: str, request: Document) -> Position | None:
        """The position of the request's token, None without one; raises Fault for a token that is not ours or not for this."""
        text = request.get("NextToken")
        if not text:
            return None
        try:
            raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise invalid_token() from None
        digest, body = raw[:16], raw[16:]
        if not hmac.compare_digest(digest, self._digest(world, operation, request, body)):
            raise invalid_token()
        value, key = orjson.loads(body)
        return value, key

    def _digest(self, world: World, operation: str, request: Document, body: bytes) -> bytes:
        question = {member: value for member, value in request.items() if member not in _UNBOUND}
        bound = orjson.dumps([*world, operation, question], option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._secret, bound + b"\0" + body, "sha256")[:16]


def invalid_token() -> Exception:
    """The Fault for a NextToken that cannot be used."""
    return validation("Invalid NextToken: it is malformed, or belongs to a request with other parameters.")


def window(
    items: Sequence[Item], position: Callable[[Item], Position], after: Position | None, descending: bool, limit: int
) -> tuple[list[Item], Position | None]:
    """Sorts in memory and cuts one page; for sort keys that the store has no column for. Items without a value come first."""
    ranked = sorted(items, key=lambda item: _rank(position(item)), reverse=descending)
    if after is not None:
        last = _rank(after)
        ranked = [item for item in ranked if (_rank(position(item)) < last if descending else _rank(position(item)) > last)]
    page = ranked[:limit]
    return page, position(page[-1]) if len(ranked) > limit else None


def _rank(position: Position) -> tuple[bool, bool, Any, str]:
    """Orders values of one member even where some are absent or of another type."""
    value, key = position
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is not None, number, value if number else str(value), key
