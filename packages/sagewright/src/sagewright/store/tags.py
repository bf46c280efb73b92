"""Tags by ARN, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from sqlalchemy import bindparam, delete, insert, select

from sagewright.store.sql import Session, Statement
from sagewright.store.tables import tags

_IS = tags.c.arn == bindparam("name")
_GET = Statement(select(tags.c.document).where(_IS))
_DROP = Statement(delete(tags).where(_IS))
_PUT = Statement(insert(tags).values(arn=bindparam("name"), document=bindparam("text")))


class Tags:
    """Tags by ARN; how many there may be is checked by the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, arn: str) -> dict[str, str]:
        """All tags, in the order they were first set; empty when there are none."""
        row = self._session.one(_GET, {"name": arn})
        found: dict[str, str] = orjson.loads(row[0]) if row is not None else {}
        return found

    def set(self, arn: str, mapping: Mapping[str, str]) -> dict[str, str]:
        """Adds or overwrites tags; returns all."""
        return self._replace(arn, {**self.get(arn), **mapping}) if mapping else self.get(arn)

    def remove(self, arn: str, keys: Iterable[str]) -> dict[str, str]:
        """Removes tags by key; unknown keys do not matter; returns what is left."""
        unwanted = frozenset(keys)
        return self._replace(arn, {key: value for key, value in self.get(arn).items() if key not in unwanted})

    def _replace(self, arn: str, document: dict[str, str]) -> dict[str, str]:
        self._session.run(_DROP, {"name": arn})
        if document:
            self._session.run(_PUT, {"name": arn, "text": orjson.dumps(document).decode()})
        return document
