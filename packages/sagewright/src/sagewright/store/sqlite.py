"""SQLite in WAL mode: readers and the writer do not wait for one another, and a commit is one fsync.

``synchronous=FULL`` unless the URL says otherwise: after ``sqlite:////data/sagewright.db?synchronous=NORMAL`` a power cut may
lose the last commits.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import cast

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.pool import NullPool

from sagewright.store.names import WordIndex
from sagewright.store.sql import Connection, Session
from sagewright.store.tables import metadata

_DIALECT = dialect(paramstyle="named")
_SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA", "OFF")


class SqliteDriver:
    """See driver.Driver."""

    inline = True

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("the store needs a file: sqlite:////folder/name.db")
        synchronous = str(parsed.query.get("synchronous", "FULL")).upper()
        if synchronous not in _SYNCHRONOUS:
            raise ValueError(f"synchronous is one of {', '.join(_SYNCHRONOUS)}")
        self._file = Path(parsed.database)
        self._synchronous = synchronous
        self.names = WordIndex()

    def migrations(self) -> Engine:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(URL.create("sqlite", database=str(self._file)), poolclass=NullPool)
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def prepare(self) -> None:
        """Nothing more to do."""

    def reader(self) -> Session:
        return self._connect()

    def writer(self) -> Session:
        return self._connect()

    def begin_read(self, session: Session) -> None:
        session.text("BEGIN", {})

    def begin_write(self, session: Session) -> None:
        session.text("BEGIN IMMEDIATE", {})

    def commit(self, session: Session) -> None:
        session.text("COMMIT", {})

    def rollback(self, session: Session) -> None:
        if _raw(session).in_transaction:
            session.text("ROLLBACK", {})

    def close(self, session: Session) -> None:
        _raw(session).close()

    def lost(self, session: Session) -> bool:
        return False

    def empty(self, session: Session) -> None:
        session.deferred.clear()
        for table in metadata.tables:
            session.text(f"DELETE FROM {table}", {})
        session.text("INSERT INTO resource_names(resource_names) VALUES ('delete-all')", {})

    def _connect(self) -> Session:
        # The writer's connection is used by the event loop's thread and the committing thread, in turns.
        connection = sqlite3.connect(
            self._file, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=10
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16000")
        return Session(cast(Connection, connection), _DIALECT)


def _leave_transactions_to_us(connection: sqlite3.Connection, record: object) -> None:
    """Python's sqlite3 begins no transaction before DDL: a migration that dies half way would leave half the tables."""
    connection.isolation_level = None


def _raw(session: Session) -> sqlite3.Connection:
    return cast(sqlite3.Connection, session.connection)
