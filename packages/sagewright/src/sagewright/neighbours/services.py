"""All neighbours, for the composition: their handlers by service and operation, and their controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sagewright.compute.oci.layout import Layout
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.controller import Controller
from sagewright.kernel.loop import Announce
from sagewright.neighbours.alarms import notify
from sagewright.neighbours.alarms.changes import AlarmChanges, Deliver
from sagewright.neighbours.alarms.operations import Alarms
from sagewright.neighbours.alarms.watch import AlarmWatch
from sagewright.neighbours.autoscaling import policies
from sagewright.neighbours.cloudwatch import CloudWatch
from sagewright.neighbours.ec2 import Ec2
from sagewright.neighbours.ecr.operations import Ecr
from sagewright.neighbours.events.operations import Events
from sagewright.neighbours.events.state_changes import StateChanges
from sagewright.neighbours.iam.operations import Iam
from sagewright.neighbours.log_retention import LogRetention
from sagewright.neighbours.logs import Logs
from sagewright.neighbours.requests import Handlers
from sagewright.neighbours.service_quotas import ServiceQuotas
from sagewright.neighbours.sns.delivery import Delivery
from sagewright.neighbours.sns.operations import Sns
from sagewright.neighbours.sqs.operations import Sqs
from sagewright.neighbours.sqs.retention import QueueRetention
from sagewright.neighbours.sts import Sts
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource
from sagewright.wire.credentials import Keyring

DELIVERIES: Mapping[str, Deliver] = {"autoscaling": policies.deliver, "sns": notify.deliver}
"""Who takes the actions of alarms, by the service of their ARNs."""


def neighbours(store: Store, keyring: Keyring, layout: Layout, url: str, *, anywhere: bool = False) -> Mapping[str, Handlers]:
    """By botocore's service name. Handlers take the time from their context. ``layout`` is what the registry holds, ``url`` where
    clients reach this server; ``anywhere``: notifications may leave this machine."""
    return {
        "sts": Sts(store, keyring).operations(),
        "iam": Iam(store).operations(),
        "logs": Logs(store).operations(),
        "ecr": Ecr(store, keyring, layout, url).operations(),
        "cloudwatch": {**CloudWatch(store).operations(), **Alarms(store, AlarmChanges(DELIVERIES)).operations()},
        "events": Events(store).operations(),
        "service-quotas": ServiceQuotas(store).operations(),
        "sqs": Sqs(store, url).operations(),
        "sns": Sns(store, anywhere=anywhere).operations(),
        "ec2": Ec2().operations(),
    }


def controllers(store: Store, told: Callable[[Identity], None], *, anywhere: bool = False) -> tuple[Controller[Any, Any], ...]:
    """What the controller loop runs for the neighbours; ``told`` hears of rows that should be looked at now."""
    return (LogRetention(store), AlarmWatch(store), QueueRetention(store), Delivery(store, told, anywhere=anywhere))


def announce(catalog: Catalog) -> Announce:
    """Who hears, inside the transaction, of every row that the controller loop writes."""
    listeners = (StateChanges(catalog), AlarmChanges(DELIVERIES))

    def tell(transaction: Transaction, before: Resource, after: Resource) -> None:
        for listener in listeners:
            listener(transaction, before, after)

    return tell


async def close(running: Iterable[Controller[Any, Any]]) -> None:
    """Ends what these controllers have under way."""
    for controller in running:
        if isinstance(controller, Delivery):
            await controller.close()
