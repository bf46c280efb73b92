"""The migrations lead to the tables of tables.py, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from support import postgres

from sagewright.base.clock import VirtualClock
from sagewright.store import upgrade
from sagewright.store.database import Store
from sagewright.store.driver import Driver
from sagewright.store.migrate import migrate
from sagewright.store.postgres import PostgresDriver
from sagewright.store.sqlite import SqliteDriver
from sagewright.store.tables import metadata


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    folder = postgres.binaries()
    if folder is None:
        pytest.skip("no Postgres on this machine")
    with postgres.running(folder) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    if request.param == "sqlite":
        return SqliteDriver(f"sqlite:///{tmp_path}/rows.db")
    return PostgresDriver(request.getfixturevalue("postgres_url"))


def test_an_empty_database_gets_the_tables_and_keeps_them(driver: Driver) -> None:
    for _ in range(2):
        migrate(driver)
    engine = driver.migrations()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == "0001"
    engine.dispose()


def test_the_newest_file_is_the_last_revision(driver: Driver) -> None:
    """migrate.py tells by a file's name whether anything is to be done."""
    migrate(driver)
    engine = driver.migrations()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    heads = ScriptDirectory(str(Path(upgrade.__file__).parent / "migrations")).get_heads()
    assert heads == [current]
    assert max(Path(upgrade.__file__).parent.glob("migrations/versions/[0-9]*.py")).name.startswith(f"{current}_")


def test_a_migration_that_dies_half_way_leaves_nothing(driver: Driver) -> None:
    engine = driver.migrations()
    with pytest.raises(LookupError), engine.begin() as connection:  # noqa: PT012
        connection.exec_driver_sql("CREATE TABLE half (a integer)")
        raise LookupError
    with engine.connect() as connection:
        assert "half" not in inspect(connection).get_table_names()
    engine.dispose()


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    """The name index is made by a migration (SQLite) or at every start (Postgres); tables.py cannot express it."""
    return not (name or "").startswith("resource_names") and name != "resources_name_trigrams"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://host/x", "rubbish", "sqlite:////tmp/x.db?synchronous=MAYBE"]
)
async def test_urls_that_are_not_understood(url: str) -> None:
    with pytest.raises(ValueError, match=r"store|synchronous"):
        await Store.open(url, VirtualClock())


def test_commits_wait_for_the_disk_unless_the_url_says_otherwise(tmp_path: Path) -> None:
    """A write is durable when it returns (docs/architecture.md, "Store")."""
    for options, expected in (("", 2), ("?synchronous=NORMAL", 1)):
        driver = SqliteDriver(f"sqlite:///{tmp_path}/rows.db{options}")
        migrate(driver)
        session = driver.writer()
        assert session.text("PRAGMA synchronous", {}).fetchall() == [(expected,)]
        assert session.text("PRAGMA journal_mode", {}).fetchall() == [("wal",)]
        driver.close(session)
