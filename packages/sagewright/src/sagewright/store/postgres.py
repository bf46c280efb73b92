"""Postgres through psycopg 3 (the extra ``postgres``); the only module that imports it."""

from __future__ import annotations

from typing import Any, cast

import psycopg
from sqlalchemy import Dialect, Engine, create_engine, make_url
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.pool import NullPool

from sagewright.store.names import TrigramIndex
from sagewright.store.sql import Connection, Session
from sagewright.store.tables import metadata

_DIALECT: Dialect = dialect()  # type: ignore[no-untyped-call]
_TRIGRAMS = "CREATE INDEX IF NOT EXISTS resources_name_trigrams ON resources USING gin (lower(name) gin_trgm_ops)"


class PostgresDriver:
    """See driver.Driver."""

    inline = False

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._target = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.names = TrigramIndex(available=False)

    def migrations(self) -> Engine:
        return create_engine(self._url, poolclass=NullPool)

    def prepare(self) -> None:
        """Makes the trigram index where the extension may be created; searches by name walk the rows where it may not."""
        with psycopg.connect(self._target, autocommit=True) as connection:
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
                return
            connection.execute(_TRIGRAMS)
        self.names = TrigramIndex(available=True)

    def reader(self) -> Session:
        return self._connect()

    def writer(self) -> Session:
        return self._connect()

    def begin_read(self, session: Session) -> None:
        session.text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {})

    def begin_write(self, session: Session) -> None:
        session.text("BEGIN", {})

    def commit(self, session: Session) -> None:
        session.text("COMMIT", {})

    def rollback(self, session: Session) -> None:
        if not self.lost(session):
            session.text("ROLLBACK", {})

    def close(self, session: Session) -> None:
        _raw(session).close()

    def lost(self, session: Session) -> bool:
        return _raw(session).closed or _raw(session).broken

    def empty(self, session: Session) -> None:
        session.text(f"TRUNCATE {', '.join(metadata.tables)}", {})

    def _connect(self) -> Session:
        connection = psycopg.connect(self._target, autocommit=True)
        return Session(cast(Connection, connection), _DIALECT)


def _raw(session: Session) -> psycopg.Connection[tuple[Any, ...]]:
    return cast("psycopg.Connection[tuple[Any, ...]]", session.connection)
