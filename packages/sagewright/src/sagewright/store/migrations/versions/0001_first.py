"""The first tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SCOPE = ["account", "region", "kind"]


def upgrade() -> None:
    _resources()
    _records()
    op.create_table("tags", sa.Column("arn", TEXT, primary_key=True), sa.Column("document", TEXT, nullable=False))
    keys = [sa.Column(name, TEXT, primary_key=True) for name in ("account", "region", "operation", "token")]
    op.create_table("tokens", *keys, sa.Column("request", TEXT, nullable=False), sa.Column("response", TEXT, nullable=False))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE resource_names USING fts5(words, content='', detail=none, columnsize=0, tokenize='ascii')"
        )


def _resources() -> None:
    texts = ("account", "region", "kind", "key", "arn", "name", "state", "parent", "spec", "status")
    op.create_table(
        "resources",
        sa.Column("id", IDENTITY, primary_key=True),
        *(sa.Column(name, TEXT, nullable=False) for name in texts),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("modified", sa.Double, nullable=False),
        sa.Column("due", sa.Double, nullable=True),
        sa.UniqueConstraint(*SCOPE, "key", name="resources_identity"),
    )
    op.create_index("resources_created", "resources", [*SCOPE, "created", "key"])
    op.create_index("resources_modified", "resources", [*SCOPE, "modified", "key"])
    op.create_index("resources_name", "resources", [*SCOPE, "name", "key"])
    op.create_index("resources_state", "resources", [*SCOPE, "state", "key"])
    op.create_index("resources_state_created", "resources", [*SCOPE, "state", "created", "key"])
    _partial("resources_parent", [*SCOPE, "parent", "created", "key"], "parent != ''")
    _partial("resources_due", ["due", "kind"], "due IS NOT NULL")
    _partial("resources_arn", ["arn"], "arn != ''")


def _partial(name: str, columns: list[str], condition: str) -> None:
    op.create_index(name, "resources", columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _records() -> None:
    op.create_table(
        "series",
        sa.Column("id", IDENTITY, primary_key=True),
        *(sa.Column(name, TEXT, nullable=False) for name in (*SCOPE, "parent", "name")),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=True),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("last_written", sa.BigInteger, nullable=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(*SCOPE, "parent", "name", name="series_identity"),
    )
    op.create_index("series_last", "series", [*SCOPE, "parent", "last_at", "name"])
    op.create_table(
        "records",
        *(sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("series", "at", "sequence")),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
