"""What the store needs of a database, besides SQL: how to connect, how a transaction begins, where its work may run."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Engine

from sagewright.store.names import NameIndex
from sagewright.store.sql import Session


class Driver(Protocol):
    """One kind of database."""

    inline: bool
    """Statements are short enough for the event loop's thread; only the commit, which waits for the disk, has another."""

    names: NameIndex

    def migrations(self) -> Engine:
        """An SQLAlchemy engine on the same database, for Alembic; the caller disposes of it."""

    def prepare(self) -> None:
        """Once, after the migrations."""

    def reader(self) -> Session:
        """A new connection for reading."""

    def writer(self) -> Session:
        """A new connection for writing."""

    def begin_read(self, session: Session) -> None:
        """A transaction that sees one state of the database."""

    def begin_write(self, session: Session) -> None:
        """A transaction that may write."""

    def commit(self, session: Session) -> None:
        """Durable when it returns."""

    def rollback(self, session: Session) -> None:
        """Undoes what is open; must not raise when the connection is lost."""

    def close(self, session: Session) -> None:
        """Closes the connection."""

    def lost(self, session: Session) -> bool:
        """The connection is of no further use: open another."""

    def empty(self, session: Session) -> None:
        """Deletes every row, inside an open transaction."""
