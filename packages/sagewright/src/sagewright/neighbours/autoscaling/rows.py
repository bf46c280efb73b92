"""Scalable targets, their policies and scheduled actions as rows.

A target's key is its dimension and resource; policies and scheduled actions lie below it (``parent``).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.base.world import World
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

TARGET, POLICY, SCHEDULE, ACTIVITY = (
    "autoscaling:Target",
    "autoscaling:Policy",
    "autoscaling:Schedule",
    "autoscaling:Activity",
)
MOST = 500
"""Scalable targets of SageMaker in a region (Application Auto Scaling quotas)."""
NAMED = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def target_key(document: Mapping[str, Any]) -> str:
    """The key of the target that a request or a spec names."""
    return f"{document['ScalableDimension']}|{document['ResourceId']}"


def names(document: Mapping[str, Any]) -> Document:
    """What names a target in requests and answers."""
    return {member: document[member] for member in NAMED}


def target_of(transaction: Transaction, world: World, request: Document) -> Resource:
    """The target that a request names; raises ObjectNotFoundException."""
    row = transaction.resources.get(world, TARGET, target_key(request))
    if row is None:
        raise Fault(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {request['ServiceNamespace']}, resource ID: "
            f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}",
        )
    return row


def below(transaction: Transaction, target: Resource, kind: str) -> list[Resource]:
    """The policies or scheduled actions of a target, by name."""
    return transaction.resources.query(target.world, kind, parent=target.key, order="name", descending=False, limit=MOST)


def look(transaction: Transaction, target: Resource, now: float) -> None:
    """Writes a target and has the controller look at it at once. The row is written whatever its due time: a look put off was never written down."""
    transaction.resources.save(replace(target, due=now))


def policy_arn(world: World, request: Mapping[str, Any]) -> str:
    """As AWS forms it; the id is random."""
    return f"{_arn(world, 'scalingPolicy', request)}:policyName/{request['PolicyName']}"


def schedule_arn(world: World, request: Mapping[str, Any]) -> str:
    """As AWS forms it; the id is random."""
    return f"{_arn(world, 'scheduledAction', request)}:scheduledActionName/{request['ScheduledActionName']}"


def target_arn(world: World) -> str:
    """As AWS forms it; the id is random."""
    return f"arn:aws:application-autoscaling:{world.region}:{world.account}:scalable-target/{uuid.uuid4().hex[:24]}"


def role_arn(world: World) -> str:
    """The service-linked role that AWS uses whatever role was named."""
    service = "sagemaker.application-autoscaling.amazonaws.com"
    name = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    return f"arn:aws:iam::{world.account}:role/aws-service-role/{service}/{name}"


def _arn(world: World, kind: str, request: Mapping[str, Any]) -> str:
    resource = f"resource/{request['ServiceNamespace']}/{request['ResourceId']}"
    return f"arn:aws:autoscaling:{world.region}:{world.account}:{kind}:{uuid.uuid4()}:{resource}"
