"""The default event bus: an event goes to the targets of every rule whose pattern it matches, inside the caller's transaction.

So an event is delivered once, exactly when what it tells of is written.
"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from sagewright.base.matching import Test
from sagewright.base.world import World
from sagewright.neighbours.events.pattern import BadPatternError, compile_pattern
from sagewright.neighbours.log_groups import name_in
from sagewright.signals import logs
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

RULE = "events:Rule"
BUS = "default"
DISABLED, ENABLED = "DISABLED", "ENABLED"
MOST_RULES = 300
"""Of a bus (EventBridge quotas)."""
_log = logging.getLogger(__name__)


def event(world: World, source: str, kind: str, detail: Document, resources: list[str], now: float) -> Document:
    """In the form that every event has (EventBridge user guide, eb-events-structure)."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": world.account,
        "time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": world.region,
        "resources": resources,
        "detail": detail,
    }


def send(transaction: Transaction, world: World, sent: Document, now: float) -> None:
    """To the targets of the rules that are enabled and match."""
    for rule in rules(transaction, world):
        if rule.spec.get("State", ENABLED) != DISABLED and _compiled(rule.spec["EventPattern"])(sent):
            for target in rule.spec.get("Targets", []):
                _deliver(transaction, world, rule, target, sent, now)


def rules(transaction: Transaction, world: World) -> list[Resource]:
    """Every rule, by name."""
    return transaction.resources.query(world, RULE, order="name", descending=False, limit=MOST_RULES)


def _deliver(transaction: Transaction, world: World, rule: Resource, target: Document, sent: Document, now: float) -> None:
    """A log group's stream is named after the rule."""
    message = target.get("Input") or orjson.dumps(sent).decode()
    line = logs.Event(int(now * 1000), message)
    logs.append(transaction, world, name_in(target["Arn"]), rule.key, [line])


@lru_cache(256)
def _compiled(text: str) -> Test:
    """A pattern that an older version has let in and this one does not understand matches nothing."""
    try:
        return compile_pattern(text)
    except BadPatternError:
        _log.warning("the event pattern %s cannot be understood", text)
        return _nothing


def _nothing(_: Any) -> bool:
    return False
