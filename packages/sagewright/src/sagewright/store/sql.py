"""Statements are written with SQLAlchemy Core, compiled once per database, and run on the driver's own connection.

Why not on SQLAlchemy's connection: its execution path costs several times a whole point read here (about 15 us on SQLite).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

Row = tuple[Any, ...]


class Cursor(Protocol):
    """The part of a DBAPI cursor that is used here."""

    rowcount: int

    def fetchone(self) -> Row | None: ...

    def fetchall(self) -> list[Row]: ...


class Connection(Protocol):
    """The part of a sqlite3 or psycopg connection that is used here."""

    def execute(self, text: str, values: Mapping[str, Any]) -> Cursor: ...


class Statement:
    """A Core statement and its text per database. Values are given by bind name."""

    def __init__(self, core: ClauseElement) -> None:
        self._core = core
        self._compiled: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, Mapping[str, Any]]:
        """The text and the constants that belong to it."""
        found = self._compiled.get(dialect.name)
        return found if found is not None else self._compile(dialect)

    def _compile(self, dialect: Dialect) -> tuple[str, Mapping[str, Any]]:
        compiled = self._core.compile(dialect=dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        made = self._compiled[dialect.name] = (str(compiled), constants)
        return made


class Session:
    """Runs statements on one driver connection, inside whatever transaction is open there."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection = connection
        self.dialect = dialect
        self.deferred: list[tuple[str, Mapping[str, Any]]] = []
        """Statements that run just before the commit, once for all works of a transaction."""

    def one(self, statement: Statement, values: Mapping[str, Any]) -> Row | None:
        """The first row, or None."""
        return self._execute(statement, values).fetchone()

    def all(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Every row."""
        return self._execute(statement, values).fetchall()

    def run(self, statement: Statement, values: Mapping[str, Any]) -> int:
        """For statements without rows; how many rows were touched."""
        return self._execute(statement, values).rowcount

    def text(self, text: str, values: Mapping[str, Any]) -> Cursor:
        """For what Core cannot say: one database's own syntax."""
        return self.connection.execute(text, values)

    def defer(self, text: str, values: Mapping[str, Any]) -> None:
        """Like ``text``, just before the commit; undone with the savepoint it was called in."""
        self.deferred.append((text, values))

    def run_deferred(self) -> None:
        """Runs what was deferred."""
        deferred, self.deferred = self.deferred, []
        for text, values in deferred:
            self.connection.execute(text, values)

    def _execute(self, statement: Statement, values: Mapping[str, Any]) -> Cursor:
        text, constants = statement.compiled(self.dialect)
        return self.connection.execute(text, {**constants, **values} if constants else values)
