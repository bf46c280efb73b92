"""The tables, once for SQLite and Postgres. A change here needs a migration (migrations/versions); a test compares the two.

Every text column compares by bytes (SQLite does by default, Postgres by collation C), so that pages have one order everywhere.
Besides these, a migration makes the index behind NameContains, which only its database can express (names.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT
from sqlalchemy.types import TypeEngine

metadata = MetaData()


def _text() -> TypeEngine[str]:
    return Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def _identity() -> TypeEngine[int]:
    return BigInteger().with_variant(Integer(), "sqlite")


resources = Table(
    "resources",
    metadata,
    Column("id", _identity(), primary_key=True),
    Column("account", _text(), nullable=False),
    Column("region", _text(), nullable=False),
    Column("kind", _text(), nullable=False),
    Column("key", _text(), nullable=False),
    Column("arn", _text(), nullable=False),
    Column("name", _text(), nullable=False),
    Column("state", _text(), nullable=False),
    Column("parent", _text(), nullable=False),
    Column("spec", _text(), nullable=False),
    Column("status", _text(), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Column("modified", Double, nullable=False),
    Column("due", Double, nullable=True),
    UniqueConstraint("account", "region", "kind", "key", name="resources_identity"),
)
"""One row per resource (rows.Resource); ``spec`` and ``status`` are JSON text."""

_scope = (resources.c.account, resources.c.region, resources.c.kind)
_owned = resources.c.parent != ""
_waiting = resources.c.due.is_not(None)
_named = resources.c.arn != ""

Index("resources_created", *_scope, resources.c.created, resources.c.key)
Index("resources_modified", *_scope, resources.c.modified, resources.c.key)
Index("resources_name", *_scope, resources.c.name, resources.c.key)
Index("resources_state", *_scope, resources.c.state, resources.c.key)
Index("resources_state_created", *_scope, resources.c.state, resources.c.created, resources.c.key)
Index(
    "resources_parent",
    *_scope,
    resources.c.parent,
    resources.c.created,
    resources.c.key,
    sqlite_where=_owned,
    postgresql_where=_owned,
)
Index("resources_due", resources.c.due, resources.c.kind, sqlite_where=_waiting, postgresql_where=_waiting)
Index("resources_arn", resources.c.arn, sqlite_where=_named, postgresql_where=_named)

RESOURCE_COLUMNS = tuple(column for column in resources.c if column.name != "id")
"""Everything but the number that the indexes use; in the order of rows.Resource."""

tags = Table(
    "tags",
    metadata,
    Column("arn", _text(), primary_key=True),
    Column("document", _text(), nullable=False),
)
"""All tags of an ARN as one JSON object, in the order they were first set."""

series = Table(
    "series",
    metadata,
    Column("id", _identity(), primary_key=True),
    Column("account", _text(), nullable=False),
    Column("region", _text(), nullable=False),
    Column("kind", _text(), nullable=False),
    Column("parent", _text(), nullable=False),
    Column("name", _text(), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=True),
    Column("last_at", BigInteger, nullable=False),
    Column("last_written", BigInteger, nullable=True),
    Column("sequence", BigInteger, nullable=False),
    UniqueConstraint("account", "region", "kind", "parent", "name", name="series_identity"),
)
"""Named sequences of records: a log stream of a group, a metric of a namespace. Times are epoch milliseconds."""

Index("series_last", series.c.account, series.c.region, series.c.kind, series.c.parent, series.c.last_at, series.c.name)

records = Table(
    "records",
    metadata,
    Column("series", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("written", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The volume table: in order of time, then of arrival, within each series."""

tokens = Table(
    "tokens",
    metadata,
    Column("account", _text(), primary_key=True),
    Column("region", _text(), primary_key=True),
    Column("operation", _text(), primary_key=True),
    Column("token", _text(), primary_key=True),
    Column("request", _text(), nullable=False),
    Column("response", _text(), nullable=False),
)
"""Client tokens: which request a token stood for (a hash) and what was answered."""
