"""The operations on scalable targets and their activities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sagewright.kernel.operation import Context
from sagewright.neighbours.autoscaling import activities
from sagewright.neighbours.autoscaling.capacity import MOST_CAPACITY, NOUNS, Capacities, Capacity, dimensions
from sagewright.neighbours.autoscaling.controller import clear
from sagewright.neighbours.autoscaling.rows import MOST, NAMED, TARGET, names, role_arn, target_arn, target_key, target_of
from sagewright.neighbours.requests import Handlers, make_marker, read_marker
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

Item = TypeVar("Item")
_PAGE = 50


class Targets:
    """See the module docstring."""

    def __init__(self, store: Store, capacities: Capacities) -> None:
        self._store = store
        self._capacities = capacities

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "RegisterScalableTarget": self.register,
            "DeregisterScalableTarget": self.deregister,
            "DescribeScalableTargets": self.describe,
            "DescribeScalingActivities": self.describe_activities,
            "ListTagsForResource": self.list_tags,
            "TagResource": self.tag,
            "UntagResource": self.untag,
        }

    async def register(self, context: Context, request: Document) -> Document:
        """RegisterScalableTarget: a new one, or new bounds and suspensions of an old one."""
        check_namespace(request)
        dimensions(request["ResourceId"], request["ScalableDimension"])
        capacity = await self._capacities.read(context.world, request)
        if capacity is None:
            raise validation(f"SageMaker {_noun(request)} doesn't exist: {request['ResourceId']}")

        def work(transaction: Transaction) -> Document:
            known = transaction.resources.get(context.world, TARGET, target_key(request))
            spec = _spec(context, request, known)
            _check_bounds(spec, capacity)
            if known is not None:
                row = transaction.resources.save(replace(known, spec=spec, modified=context.now, due=context.now))
            else:
                row = _insert(transaction, context, spec)
            transaction.tags.set(row.arn, request.get("Tags", {}))
            return {"ScalableTargetARN": row.arn}

        return await self._store.write(work)

    async def deregister(self, context: Context, request: Document) -> Document:
        """DeregisterScalableTarget: with its policies, their alarms and its scheduled actions; the capacity stays."""
        check_namespace(request)

        def work(transaction: Transaction) -> Document:
            row = target_of(transaction, context.world, request)
            clear(transaction, row, "The scalable target was deregistered.", context.now)
            transaction.resources.delete(row)
            return {}

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """DescribeScalableTargets."""
        check_namespace(request)
        rows = await self._store.read(
            lambda transaction: transaction.resources.query(context.world, TARGET, order="name", descending=False, limit=MOST)
        )
        wanted = request.get("ResourceIds")
        found = [row for row in rows if fits(row.spec, request) and (wanted is None or row.spec["ResourceId"] in wanted)]
        page, more = paged(found, lambda row: row.key, request)
        return {"ScalableTargets": [_shown(row) for row in page], **more}

    async def describe_activities(self, context: Context, request: Document) -> Document:
        """DescribeScalingActivities, newest first."""
        check_namespace(request)
        rows = await self._store.read(lambda transaction: activities.listed(transaction, context.world))
        told = [row for row in rows if "NotScaledReasons" not in row or request.get("IncludeNotScaledActivities")]
        page, more = paged([row for row in told if fits(row, request)], lambda row: str(row["ActivityId"]), request)
        return {"ScalingActivities": page, **more}

    async def list_tags(self, context: Context, request: Document) -> Document:
        """ListTagsForResource."""

        def work(transaction: Transaction) -> dict[str, str]:
            return transaction.tags.get(_tagged(transaction, request).arn)

        return {"Tags": await self._store.read(work)}

    async def tag(self, context: Context, request: Document) -> Document:
        """TagResource."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.set(_tagged(transaction, request).arn, request["Tags"])
            return {}

        return await self._store.write(work)

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagResource."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.remove(_tagged(transaction, request).arn, request["TagKeys"])
            return {}

        return await self._store.write(work)


def check_namespace(request: Document) -> None:
    """Raises ValidationException for another service's resources."""
    if request["ServiceNamespace"] != "sagemaker":
        raise validation(f"Sagewright scales resources of sagemaker only, not of {request['ServiceNamespace']}.")
    if request.get("ScalableDimension", "") and request["ScalableDimension"] not in NOUNS:
        raise validation("Unsupported service namespace, resource type or scalable dimension")


def fits(document: Mapping[str, Any], request: Document) -> bool:
    """Whether something of a target is asked for by resource and dimension."""
    if "ScalableDimension" in request and "ResourceId" not in request and "ResourceIds" not in request:
        raise validation("If you specify a scalable dimension, you must also specify a resource ID.")
    return all(document[member] == request[member] for member in NAMED if member in request)


def paged(items: Sequence[Item], name: Callable[[Item], str], request: Document) -> tuple[list[Item], Document]:
    """One page, in the order given; the token names the last item before it."""
    start = 0
    if "NextToken" in request:
        invalid = Fault("InvalidNextTokenException", "The next token supplied was invalid.")
        (last,) = read_marker(request["NextToken"], 1, invalid)
        found = [index for index, item in enumerate(items) if name(item) == last]
        if not found:
            raise invalid
        start = found[0] + 1
    if not 1 <= request.get("MaxResults", _PAGE) <= _PAGE:
        raise validation(f"MaxResults must be between 1 and {_PAGE}.")
    page = list(items[start : start + request.get("MaxResults", _PAGE)])
    return page, {} if start + len(page) >= len(items) else {"NextToken": make_marker([name(page[-1])])}


def _spec(context: Context, request: Document, known: Resource | None) -> Document:
    """What was said before holds where nothing is said now."""
    suspended = {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": False}
    before = (
        dict(known.spec)
        if known is not None
        else {**names(request), "RoleARN": role_arn(context.world), "SuspendedState": suspended}
    )
    for member in ("MinCapacity", "MaxCapacity"):
        if member not in request and known is None:
            raise validation(f"{member} is required when registering a new scalable target.")
    given: Document = {member: request[member] for member in ("MinCapacity", "MaxCapacity") if member in request}
    return {**before, **given, "SuspendedState": {**before["SuspendedState"], **request.get("SuspendedState", {})}}


def _check_bounds(spec: Document, capacity: Capacity) -> None:
    lowest, highest = spec["MinCapacity"], spec["MaxCapacity"]
    if lowest > highest:
        raise validation("Maximum capacity cannot be less than minimum capacity")
    if lowest < 0 or highest > MOST_CAPACITY:
        raise validation(f"Minimum and maximum capacity must be between 0 and {MOST_CAPACITY}.")
    if lowest == 0 and not capacity.zero:
        # The condition is AWS's (DG endpoint-auto-scaling-zero-instances, async-inference-autoscale); its words are not published.
        raise validation(
            "Minimum capacity must be at least 1: only asynchronous endpoints and endpoints of inference components can be scaled to 0."
        )


def _insert(transaction: Transaction, context: Context, spec: Document) -> Resource:
    if transaction.resources.count(context.world, TARGET) >= MOST:
        raise Fault("LimitExceededException", f"The limit of {MOST} scalable targets was reached.")
    row = Resource(
        context.world,
        TARGET,
        target_key(spec),
        target_arn(context.world),
        spec["ResourceId"],
        spec=spec,
        created=context.now,
        modified=context.now,
        due=context.now,
    )
    return transaction.resources.insert(row)


def _tagged(transaction: Transaction, request: Document) -> Resource:
    row = transaction.resources.by_arn(request["ResourceARN"])
    if row is None or row.kind != TARGET:
        raise Fault(
            "ResourceNotFoundException",
            f"The specified scalable target {request['ResourceARN']} doesn't exist.",
            fields={"ResourceName": request["ResourceARN"]},
        )
    return row


def _shown(row: Resource) -> Document:
    return {**row.spec, "CreationTime": row.created, "ScalableTargetARN": row.arn}


def _noun(request: Document) -> str:
    return "inference component" if request["ResourceId"].startswith("inference-component/") else "production variant"
