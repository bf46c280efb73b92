"""Finding rows by a part of their name without reading all of them.

SQLite: an FTS5 table whose words are made here, not by FTS5's own trigram tokenizer: each word is the scope (account, region
and kind, as a checksum) followed by three bytes of the name. So a search never sees another kind's rows, and needles of one or
two bytes are prefixes of words. Words only nominate rows: the name itself is compared afterwards, so a clash does no harm.
Postgres: the pg_trgm extension's index, which the database keeps itself; without the extension every search walks.
Case is folded for ASCII letters only, the same on both sides.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import orjson
from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, bindparam, func, select

from sagewright.base.world import World
from sagewright.store.sql import Session
from sagewright.store.tables import resources


class NameIndex(Protocol):
    """Nominates rows by a part of their name."""

    among: ColumnElement[bool]
    """A condition on ``resources``: the row is one of the bound ``ids``."""

    def add(self, session: Session, row: int, scope: str, name: str) -> None:
        """Called when a row gets this name."""

    def remove(self, session: Session, row: int, scope: str, name: str) -> None:
        """Called when a row loses this name."""

    def nominate(self, session: Session, scope: str, needle: str, most: int) -> object | None:
        """A value for ``ids``: at least every row of the scope whose name has the needle. None: more than ``most``, or cannot tell."""


def scope_of(world: World, kind: str) -> str:
    """Eight hexadecimal digits that stand for an account, a region and a kind."""
    return f"{zlib.crc32(f'{world.account}/{world.region}/{kind}'.encode()):08x}"


class WordIndex:
    """SQLite's: table ``resource_names``.

    Words are written just before the commit: FTS5 writes out what it holds at every savepoint, so that each work of a batch would
    make, and later merge, a segment of its own (measured: a third of the time of a Create).
    """

    among = resources.c.id.in_(select(func.json_each(bindparam("ids")).table_valued("value").c.value))

    def add(self, session: Session, row: int, scope: str, name: str) -> None:
        if name:
            text = "INSERT INTO resource_names(rowid, words) VALUES (:row, :words)"
            session.defer(text, {"row": row, "words": words(scope, name)})

    def remove(self, session: Session, row: int, scope: str, name: str) -> None:
        if name:
            text = "INSERT INTO resource_names(resource_names, rowid, words) VALUES ('delete', :row, :words)"
            session.defer(text, {"row": row, "words": words(scope, name)})

    def nominate(self, session: Session, scope: str, needle: str, most: int) -> object | None:
        if session.deferred:  # the transaction has changed names itself
            return None
        text = "SELECT rowid FROM resource_names WHERE resource_names MATCH :match LIMIT :most"
        found = session.text(text, {"match": _match(scope, needle), "most": most + 1}).fetchall()
        return None if len(found) > most else orjson.dumps([row for (row,) in found]).decode()


class TrigramIndex:
    """Postgres's: an index of pg_trgm on ``lower(name)``, if the extension is there."""

    among = resources.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger)))

    def __init__(self, available: bool) -> None:
        self._available = available

    def add(self, session: Session, row: int, scope: str, name: str) -> None:
        """The database does it."""

    def remove(self, session: Session, row: int, scope: str, name: str) -> None:
        """The database does it."""

    def nominate(self, session: Session, scope: str, needle: str, most: int) -> object | None:
        if not self._available or len(needle) < 3:
            return None
        text = "SELECT id FROM resources WHERE lower(name) LIKE %(pattern)s LIMIT %(most)s"
        found = session.text(text, {"pattern": f"%{escaped(needle)}%", "most": most + 1}).fetchall()
        return None if len(found) > most else [row for (row,) in found]


def escaped(needle: str) -> str:
    """The needle as a part of a LIKE pattern (escape character: backslash), its ASCII letters in lower case."""
    return _folded(needle.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")).decode()


def words(scope: str, name: str) -> str:
    """The words of a name: the scope and each three bytes in a row; two zero bytes behind make the last ones prefixes too."""
    digits = (_folded(name) + b"\0\0").hex()
    return " ".join({scope + digits[start : start + 6] for start in range(0, len(digits) - 4, 2)})


def _match(scope: str, needle: str) -> str:
    digits = _folded(needle).hex()
    if len(digits) < 6:
        return f'"{scope}{digits}" *'
    return " AND ".join({f'"{scope}{digits[start : start + 6]}"' for start in range(0, len(digits) - 4, 2)})


def _folded(name: str) -> bytes:
    return name.encode().lower()
