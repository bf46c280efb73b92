"""All neighbours, for the composition: their handlers by service and operation, and their controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sagewright.compute.oci.layout import Layout
from sagewright.kernel.controller import Controller
from sagewright.neighbours.cloudwatch import CloudWatch
from sagewright.neighbours.ecr.operations import Ecr
from sagewright.neighbours.events.operations import Events
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
from sagewright.store.database import Store
from sagewright.store.rows import Identity
from sagewright.wire.credentials import Keyring


def neighbours(store: Store, keyring: Keyring, layout: Layout, url: str, *, anywhere: bool = False) -> Mapping[str, Handlers]:
    """By botocore's service name. Handlers take the time from their context. ``layout`` is what the registry holds, ``url`` where
    clients reach this server; ``anywhere``: notifications may leave this machine."""
    return {
        "sts": Sts(store, keyring).operations(),
        "iam": Iam(store).operations(),
        "logs": Logs(store).operations(),
        "ecr": Ecr(store, keyring, layout, url).operations(),
        "cloudwatch": CloudWatch(store).operations(),
        "events": Events(store).operations(),
        "service-quotas": ServiceQuotas(store).operations(),
        "sqs": Sqs(store, url).operations(),
        "sns": Sns(store, anywhere=anywhere).operations(),
    }


def controllers(store: Store, told: Callable[[Identity], None], *, anywhere: bool = False) -> tuple[Controller[Any, Any], ...]:
    """What the controller loop runs for the neighbours; ``told`` hears of rows that should be looked at now."""
    return (LogRetention(store), QueueRetention(store), Delivery(store, told, anywhere=anywhere))


async def close(running: Iterable[Controller[Any, Any]]) -> None:
    """Ends what these controllers have under way."""
    for controller in running:
        if isinstance(controller, Delivery):
            await controller.close()
