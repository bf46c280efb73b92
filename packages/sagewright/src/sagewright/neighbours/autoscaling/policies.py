"""The operations on scaling policies. Target tracking makes its alarms in the transaction that writes the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.neighbours.alarms import operations as alarm_operations
from sagewright.neighbours.alarms import rules as alarm_rules
from sagewright.neighbours.alarms.changes import Undeliverable
from sagewright.neighbours.autoscaling import steps, tracking
from sagewright.neighbours.autoscaling.controller import remove_policy, triggering
from sagewright.neighbours.autoscaling.rows import POLICY, TARGET, below, look, names, policy_arn, target_of
from sagewright.neighbours.autoscaling.targets import check_namespace, fits, paged
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

MOST = 50
"""Policies of a target (Application Auto Scaling quotas)."""
STEP, TRACKING = "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration"
_ALL = 10_000


class Policies:
    """See the module docstring. ``minute`` (seconds) stands for AWS's minute in the alarms of target tracking."""

    def __init__(self, store: Store, minute: int) -> None:
        self._store = store
        self._minute = minute

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "PutScalingPolicy": self.put,
            "DeleteScalingPolicy": self.delete,
            "DescribeScalingPolicies": self.describe,
        }

    async def put(self, context: Context, request: Document) -> Document:
        """PutScalingPolicy: a new one, or another configuration of an old one."""
        check_namespace(request)
        spec = _checked(request)

        def work(transaction: Transaction) -> Document:
            target = target_of(transaction, context.world, request)
            row = self._write(transaction, context, target, spec)
            look(transaction, target, context.now)
            return {"PolicyARN": row.arn, "Alarms": _alarms(transaction, row)}

        return await self._store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteScalingPolicy, with the alarms that were made for it."""
        check_namespace(request)

        def work(transaction: Transaction) -> Document:
            target_of(transaction, context.world, request)
            row = transaction.resources.get(context.world, POLICY, _key(request))
            if row is None:
                raise Fault(
                    "ObjectNotFoundException",
                    f"No scaling policy found for service namespace: {request['ServiceNamespace']}, resource ID: "
                    f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}, policy name: "
                    f"{request['PolicyName']}",
                )
            remove_policy(transaction, row, context.now)
            return {}

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """DescribeScalingPolicies."""
        check_namespace(request)
        wanted = request.get("PolicyNames")

        def work(transaction: Transaction) -> Document:
            rows = transaction.resources.query(context.world, POLICY, order="name", descending=False, limit=_ALL)
            found = [row for row in rows if fits(row.spec, request) and (wanted is None or row.name in wanted)]
            page, more = paged(found, lambda row: row.key, request)
            return {"ScalingPolicies": [_shown(transaction, row) for row in page], **more}

        return await self._store.read(work)

    def _write(self, transaction: Transaction, context: Context, target: Resource, spec: Document) -> Resource:
        others = [row for row in below(transaction, target, POLICY) if row.key != _key(spec)]
        _check_others(spec, others)
        known = transaction.resources.get(context.world, POLICY, _key(spec))
        for name in known.status.get("Alarms", ()) if known is not None else ():
            alarm_operations.delete(transaction, context.world, name, context.now)
        arn = policy_arn(context.world, spec) if known is None else known.arn
        status: Document = {}
        if TRACKING in spec:
            requests = tracking.alarms(spec, arn, self._minute)
            for request in requests:
                _check_alarm(request)
                alarm_operations.put(transaction, context, request)
            status = {"Alarms": [request["AlarmName"] for request in requests]}
        if known is not None:
            return transaction.resources.save(replace(known, spec=spec, status=status, modified=context.now))
        row = Resource(
            context.world,
            POLICY,
            _key(spec),
            arn,
            spec["PolicyName"],
            parent=target.key,
            spec=spec,
            status=status,
            created=context.now,
            modified=context.now,
        )
        return transaction.resources.insert(row)


def deliver(transaction: Transaction, world: World, arn: str, message: Document, now: float) -> None:
    """An alarm's action: the target of the policy is looked at. Raises Undeliverable when there is no such policy."""
    policy = transaction.resources.by_arn(arn)
    if policy is None or policy.kind != POLICY or policy.world != world:
        raise Undeliverable(f"No scaling policy found for {arn}.")
    target = transaction.resources.get(world, TARGET, policy.parent)
    if target is not None:
        look(transaction, target, now)


def _checked(request: Document) -> Document:
    """The policy as it is kept; raises ValidationException."""
    kind = request.get("PolicyType", "TargetTrackingScaling" if TRACKING in request else "StepScaling")
    if kind == "PredictiveScaling":
        raise validation("Sagewright does not support PredictiveScaling policies.")
    member, other = (TRACKING, STEP) if kind == "TargetTrackingScaling" else (STEP, TRACKING)
    if member not in request or other in request:
        raise validation(f"A policy of type {kind} must have {member} and no other configuration.")
    spec = {"PolicyName": request["PolicyName"], **names(request), "PolicyType": kind, member: request[member]}
    if kind == "TargetTrackingScaling":
        tracking.check(spec)
    else:
        steps.check(request[member])
    return spec


def _check_alarm(request: Document) -> None:
    """What CloudWatch would refuse is refused in our own service's words."""
    try:
        alarm_rules.check(request)
    except Fault as fault:
        raise validation(fault.message) from fault


def _check_others(spec: Document, others: list[Resource]) -> None:
    if len(others) >= MOST:
        raise Fault("LimitExceededException", f"The limit of {MOST} scaling policies for a scalable target was reached.")
    if TRACKING in spec and any(_measured(row.spec) == _measured(spec) for row in others if TRACKING in row.spec):
        raise validation("Only one TargetTrackingScaling policy for a given metric specification is allowed.")


def _measured(spec: Mapping[str, Any]) -> tuple[Any, Any]:
    config = spec[TRACKING]
    return config.get("PredefinedMetricSpecification"), config.get("CustomizedMetricSpecification")


def _key(document: Mapping[str, Any]) -> str:
    return f"{document['ScalableDimension']}|{document['ResourceId']}|{document['PolicyName']}"


def _alarms(transaction: Transaction, policy: Resource) -> list[Document]:
    return [{"AlarmName": row.key, "AlarmARN": row.arn} for row in triggering(transaction, policy)]


def _shown(transaction: Transaction, policy: Resource) -> Document:
    return {
        "PolicyARN": policy.arn,
        **policy.spec,
        "Alarms": _alarms(transaction, policy),
        "CreationTime": policy.created,
    }
