"""Delivers notifications over HTTP: a controller of the rows that publishing leaves behind, one per message and subscriber.

An answer of 2xx ends it. Everything else is tried again as SNS does by default (developer guide, sns-message-delivery-retries): three
times, twenty seconds apart; then the message goes to the subscription's dead-letter queue or is dropped.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand, ErrandFailed, Errands
from sagewright.neighbours.sns import addresses
from sagewright.objects.origin import Origin, dial_tcp
from sagewright.signals import topics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Identity, Resource

RETRIES = 3
PAUSE = 20.0
"""Seconds between two attempts."""
PATIENCE = 15.0
"""Seconds an endpoint has to answer."""
ERRAND = "deliver"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Send:
    """Makes one attempt, unless it is under way."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Forgets how the last attempt ended."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nobody takes the message: its row goes as it goes to the dead-letter queue, so it goes there once."""

    why: str


Action = Send | Forget | GiveUp


class Delivery:
    """``told`` is called with a row's identity when its attempt has ended."""

    kind = topics.DELIVERY

    def __init__(self, store: Store, told: Callable[[Identity], None], *, anywhere: bool = False) -> None:
        self._store = store
        self._anywhere = anywhere
        self._errands = Errands(told)

    async def observe(self, resource: Resource) -> Errand:
        """How the attempt goes."""
        return self._errands.look(resource.identity, ERRAND)

    def plan(self, resource: Resource, observed: Errand, now: float) -> Plan[Action]:
        """See the module docstring."""
        failures, next_try = resource.status.get("Failures", 0), resource.status.get("NextTry", 0.0)
        match observed.state:
            case "done":
                return Plan((Forget(),), remove=True)
            case "failed" if failures >= RETRIES:
                return Plan((GiveUp(observed.problem), Forget()))
            case "failed":
                status = {"Failures": failures + 1, "NextTry": now + PAUSE}
                return Plan((Forget(),), status=status, due=now + PAUSE)
            case "absent" if now < next_try:
                return Plan(due=next_try)
            case "absent":
                return Plan((Send(),), due=now + PATIENCE)
        return Plan(due=now + PATIENCE)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Send():
                self._errands.begin(resource.identity, ERRAND, partial(self._send, resource))
            case Forget():
                self._errands.forget(resource.identity, ERRAND)
            case GiveUp(why):
                await self._give_up(resource, why)

    async def close(self) -> None:
        """Ends what is under way; the next control begins it again."""
        await self._errands.close()

    async def _send(self, resource: Resource) -> None:
        """Raises ErrandFailed."""
        row = await self._store.read(lambda transaction: transaction.resources.by_arn(resource.spec["Subscription"]))
        if row is None:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                status = await self._post(row, resource.spec["Document"])
        except (OSError, ValueError) as problem:
            raise ErrandFailed(f"{row.spec['Endpoint']}: {problem or 'no answer in time'}") from problem
        if not 200 <= status < 300:
            raise ErrandFailed(f"{row.spec['Endpoint']} answered {status}")

    async def _post(self, subscription: Resource, document: Document) -> int:
        where = partial(addresses.resolve, subscription.spec["Endpoint"], anywhere=self._anywhere)
        target = await asyncio.to_thread(where)
        body, headers = _message(subscription, document)
        headers += [("Host", target.authority), ("Content-Length", str(len(body)))]
        origin = Origin(dial_tcp(target.host, target.port), tls_name=target.tls_name, keep=0)
        answer = await origin.exchange("POST", target.path, headers, body)
        await answer.parts.aclose()
        return answer.status

    async def _give_up(self, resource: Resource, why: str) -> None:
        _log.warning("a notification of %s was given up: %s", resource.spec["Subscription"], why)
        now = self._store.clock.now()

        def work(transaction: Transaction) -> None:
            present = transaction.resources.get(*resource.identity)
            if present is None:
                return
            transaction.resources.delete(present)
            row = transaction.resources.by_arn(resource.spec["Subscription"])
            if row is not None:
                topics.give_up(transaction, row, resource.spec["Document"], now)

        await self._store.write(work)


def _message(subscription: Resource, document: Document) -> tuple[bytes, list[tuple[str, str]]]:
    """Body and headers (SNS developer guide, sns-http-https-endpoint-as-subscriber)."""
    headers = [
        ("x-amz-sns-message-type", document["Type"]),
        ("x-amz-sns-message-id", document["MessageId"]),
        ("x-amz-sns-topic-arn", document["TopicArn"]),
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("User-Agent", "Amazon Simple Notification Service Agent"),
        ("Connection", "close"),
    ]
    if document["Type"] != "Notification":
        return json.dumps(document).encode(), headers
    headers.append(("x-amz-sns-subscription-arn", subscription.arn))
    if subscription.spec.get("RawMessageDelivery") == "true":
        return document["Message"].encode(), [*headers, ("x-amz-sns-rawdelivery", "true")]
    return json.dumps(document).encode(), headers
