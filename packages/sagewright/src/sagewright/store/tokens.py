"""Client tokens, inside one transaction: the same token with the same request gets the same answer."""

from __future__ import annotations

from typing import NamedTuple

import orjson
from sqlalchemy import bindparam, insert, select

from sagewright.base.world import World
from sagewright.store.rows import Document
from sagewright.store.sql import Session, Statement
from sagewright.store.tables import tokens

_c = tokens.c
_NAMES = ("account", "region", "operation", "token")
_GET = Statement(select(_c.request, _c.response).where(*(_c[name] == bindparam(name) for name in _NAMES)))
_PUT = Statement(insert(tokens).values({name: bindparam(name) for name in (*_NAMES, "request", "response")}))


class Answered(NamedTuple):
    """What a token stood for: a hash of the request, and the answer."""

    request: str
    response: Document


class Tokens:
    """Client tokens by world and operation."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, world: World, operation: str, token: str) -> Answered | None:
        """What this token stood for, or None when it is new."""
        values = {"account": world.account, "region": world.region, "operation": operation, "token": token}
        row = self._session.one(_GET, values)
        return None if row is None else Answered(row[0], orjson.loads(row[1]))

    def put(self, world: World, operation: str, token: str, request: str, response: Document) -> None:
        """Remembers a new token; ``request`` is a hash of the request document. A known token is an error of the caller's."""
        values = {"account": world.account, "region": world.region, "operation": operation, "token": token}
        text = orjson.dumps(response).decode()
        self._session.run(_PUT, {**values, "request": request, "response": text})
