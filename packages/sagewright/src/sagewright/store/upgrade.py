"""Runs migrations by Alembic, without its command line or configuration file. Only migrate.py imports this, and only when it must."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from sagewright.store.driver import Driver

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(driver: Driver) -> None:
    """Runs the missing migrations, all in one transaction where the database can."""
    scripts = ScriptDirectory(str(_FOLDER))
    engine = driver.migrations()
    try:
        with engine.begin() as connection:
            context = MigrationContext.configure(
                connection, opts={"fn": lambda revision, _: scripts._upgrade_revs("head", revision)}
            )
            if context.get_current_heads() == tuple(scripts.get_heads()):
                return
            with Operations.context(context):
                context.run_migrations()
    finally:
        engine.dispose()
