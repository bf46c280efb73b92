"""Log lines as a test looks at them."""

from __future__ import annotations

from sagewright.base.world import World
from sagewright.signals import log_pages, logs
from sagewright.store.database import Transaction

WORLD = World("123456789012", "us-east-1")


def events(transaction: Transaction, group: str, stream: str) -> list[logs.Event]:
    """Every event of a stream, in order; none when there is no such stream."""
    found: list[logs.Event] = []
    series = logs.stream(transaction, WORLD, group, stream)
    token: str | None = None
    while series is not None:
        page = log_pages.get_events(transaction, series, from_head=True, token=token)
        if not page.events:
            break
        found += page.events
        token = page.forward
    return found


def messages(transaction: Transaction, group: str, stream: str) -> list[str]:
    """Their texts."""
    return [event.message for event in events(transaction, group, stream)]
