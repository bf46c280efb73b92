"""Brings a database to this version's tables.

Alembic is imported only where something is to be done: it costs 0.12 s of every start.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sqlalchemy import inspect, text

from sagewright.store.driver import Driver

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def migrate(driver: Driver) -> None:
    """Runs the missing migrations, all in one transaction where the database can."""
    if not _is_current(driver):
        import_module("sagewright.store.upgrade").upgrade(driver)


def _is_current(driver: Driver) -> bool:
    """Whether the database's revision is that of the last file; a file's name begins with its revision."""
    newest = max(file.name.partition("_")[0] for file in _VERSIONS.glob("[0-9]*.py"))
    engine = driver.migrations()
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return False
            return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars()) == [newest]
    finally:
        engine.dispose()
