"""The store: one writer, group commit, SQLite (WAL) or Postgres by URL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TypeVar

from sqlalchemy.exc import ArgumentError, DBAPIError

from sagewright.base.clock import Clock
from sagewright.store.driver import Driver
from sagewright.store.migrate import migrate
from sagewright.store.names import NameIndex
from sagewright.store.records import Records
from sagewright.store.resources import Resources
from sagewright.store.rows import Identity
from sagewright.store.sql import Session
from sagewright.store.tags import Tags
from sagewright.store.tokens import Tokens
from sagewright.store.watch import Listener, Watch
from sagewright.store.writer import Writer

__all__ = ["Resources", "Store", "Transaction"]

T = TypeVar("T")

# A database's module is imported only when its URL is used: psycopg is an extra.
_DRIVERS = {
    "sqlite": ("sagewright.store.sqlite", "SqliteDriver"),
    "postgresql": ("sagewright.store.postgres", "PostgresDriver"),
}
_READERS = 4


class Transaction:
    """What ``Store.read`` and ``Store.write`` hand to their work: the tables, all of one transaction.

    It is good until the work returns; what it gave out (plain values) stays good.
    """

    def __init__(self, session: Session, names: NameIndex) -> None:
        self.resources = Resources(session, names)
        self.tags = Tags(session)
        self.records = Records(session)
        self.tokens = Tokens(session)


class Store:
    """Opened with ``await Store.open(url, clock)`` and used on that event loop; migrations run at open.

    ``url`` is ``sqlite:////absolute/file.db`` or ``postgresql://user:password@host/database``. Nobody else may write to it.
    """

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self.clock = clock
        self._driver = driver
        self._watch = Watch()
        self._writer = Writer(driver, self._watch.tell)
        self._readers = _InlineReaders(driver) if driver.inline else _ThreadedReaders(driver)

    @classmethod
    async def open(cls, url: str, clock: Clock) -> Store:
        """Connects and migrates; raises ValueError for a URL that is not understood, ConnectionError when the database refuses."""
        try:
            driver = await asyncio.to_thread(_prepared, url)
        except DBAPIError as refused:
            raise ConnectionError(f"cannot open the database: {refused.orig}") from refused
        except ArgumentError as wrong:
            raise ValueError(f"not a database URL: {wrong}") from wrong
        return cls(driver, clock)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Runs ``work`` on a consistent view."""
        return await self._readers.read(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Runs ``work`` in a savepoint of a shared transaction; durable when it returns; an exception undoes this work only.

        ``work`` must be short, must not wait, and may only touch the transaction it is given.
        """

        def performed(session: Session) -> tuple[T, list[Identity]]:
            transaction = Transaction(session, self._driver.names)
            return work(transaction), transaction.resources.touched

        result: T = await self._writer.submit(performed)
        return result

    async def changed(self, identity: Identity, timeout: float, version: int | None = None) -> bool:
        """Waits until a write to this row has been committed; False when ``timeout`` (seconds) is up.

        With ``version``: True at once when the row is not (or no longer) at that version: nothing is missed since it was read.
        """
        future = self._watch.expect(identity)
        try:
            if version is not None and await self.read(lambda transaction: _version(transaction, identity)) != version:
                return True
            done, _ = await asyncio.wait((future,), timeout=timeout)
            return bool(done)
        finally:
            self._watch.forget(identity, future)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` on the event loop for every changed row, after the commit; returns what ends that."""
        return self._watch.listen(listener)

    async def empty(self) -> None:
        """Deletes everything."""

        def emptied(session: Session) -> tuple[None, list[Identity]]:
            self._driver.empty(session)
            return None, []

        await self._writer.submit(emptied)

    async def close(self) -> None:
        """Finishes what was accepted and closes."""
        await self._writer.close()
        await self._readers.close()


class _InlineReaders:
    """Reads on the event loop's thread, on one connection."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._session = driver.reader()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return _read(self._driver, self._session, work)

    async def close(self) -> None:
        self._driver.close(self._session)


class _ThreadedReaders:
    """Reads in a few threads, each with a connection of its own."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._threads = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="store-reader")

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    async def close(self) -> None:
        self._threads.shutdown()
        for session in self._sessions:
            self._driver.close(session)

    def _read(self, work: Callable[[Transaction], T]) -> T:
        session: Session | None = getattr(self._local, "session", None)
        if session is None or self._driver.lost(session):
            session = self._local.session = self._driver.reader()
            self._sessions.append(session)
        return _read(self._driver, session, work)


def _read(driver: Driver, session: Session, work: Callable[[Transaction], T]) -> T:
    driver.begin_read(session)
    try:
        return work(Transaction(session, driver.names))
    finally:
        driver.rollback(session)


def _prepared(url: str) -> Driver:
    scheme = url.split(":", 1)[0].split("+", 1)[0]
    if scheme not in _DRIVERS:
        raise ValueError(f"the store knows sqlite and postgresql, not {scheme!r}")
    module, name = _DRIVERS[scheme]
    try:
        driver: Driver = getattr(import_module(module), name)(url)
    except ModuleNotFoundError as missing:
        raise ValueError(f"a {scheme} database needs the package {missing.name}: install sagewright[postgres]") from missing
    migrate(driver)
    driver.prepare()
    return driver


def _version(transaction: Transaction, identity: Identity) -> int | None:
    row = transaction.resources.get(*identity)
    return None if row is None else row.version
