"""Service Quotas: SageMaker's quotas on instances, and a raise that is granted at once.

Whether they count is a setting (``limits``); the table is the same in either case. Applications, tags, templates and support cases are
not there.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, refuse
from sagewright.quotas import values
from sagewright.quotas.names import SERVICE, SERVICE_NAME, Quota, find, quotas
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

REQUEST = "quotas.Request"
_PAGE = 100
_MOST = 10_000
Item = TypeVar("Item")


class ServiceQuotas:
    """The operations of service ``service-quotas``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "ListServices": self.list_services,
            "ListServiceQuotas": self.list_service_quotas,
            "GetServiceQuota": self.get_service_quota,
            "ListAWSDefaultServiceQuotas": self.list_defaults,
            "GetAWSDefaultServiceQuota": self.get_default,
            "RequestServiceQuotaIncrease": self.request_increase,
            "GetRequestedServiceQuotaChange": self.get_change,
            "ListRequestedServiceQuotaChangeHistory": self.list_changes,
            "ListRequestedServiceQuotaChangeHistoryByQuota": self.list_changes,
        }

    async def list_services(self, context: Context, request: Document) -> Document:
        """The one service that has quotas here."""
        return {"Services": [{"ServiceCode": SERVICE, "ServiceName": SERVICE_NAME}]}

    async def list_service_quotas(self, context: Context, request: Document) -> Document:
        """By name, each with what it was raised to; of one QuotaCode if that is asked for."""
        _check_service(request)
        wanted = [_wanted(request)] if "QuotaCode" in request else quotas()
        page, rest = _page(wanted, lambda quota: quota.name, request)

        def work(transaction: Transaction) -> list[Document]:
            return [_shown(context.world, quota, values.value(transaction, context.world, quota)) for quota in page]

        return {"Quotas": await self._store.read(work), **rest}

    async def get_service_quota(self, context: Context, request: Document) -> Document:
        """The value that is applied."""
        quota = _wanted(request)
        value = await self._store.read(lambda transaction: values.value(transaction, context.world, quota))
        return {"Quota": _shown(context.world, quota, value)}

    async def list_defaults(self, context: Context, request: Document) -> Document:
        """The same list with what each quota is at first."""
        _check_service(request)
        page, rest = _page(quotas(), lambda quota: quota.name, request)
        return {"Quotas": [_shown(context.world, quota, quota.value) for quota in page], **rest}

    async def get_default(self, context: Context, request: Document) -> Document:
        """What a quota is at first."""
        quota = _wanted(request)
        return {"Quota": _shown(context.world, quota, quota.value)}

    async def request_increase(self, context: Context, request: Document) -> Document:
        """Granted at once: nobody has to look at it."""
        refuse(request, "IllegalArgumentException", "ContextId")
        quota, desired = _wanted(request), float(request["DesiredValue"])

        def work(transaction: Transaction) -> Document:
            if desired <= values.value(transaction, context.world, quota):
                raise Fault("IllegalArgumentException", "You must provide a quota value greater than the current quota value.")
            values.put(transaction, context.world, quota, desired, context.now)
            change = _change(context, quota, desired)
            row = Resource(context.world, REQUEST, change["Id"], name=quota.code, spec=change, created=context.now)
            transaction.resources.insert(row)
            return {"RequestedQuota": change}

        return await self._store.write(work)

    async def get_change(self, context: Context, request: Document) -> Document:
        """A request by its id."""
        row = await self._store.read(
            lambda transaction: transaction.resources.get(context.world, REQUEST, request["RequestId"])
        )
        if row is None:
            raise _missing(f"The request {request['RequestId']} does not exist.")
        return {"RequestedQuota": dict(row.spec)}

    async def list_changes(self, context: Context, request: Document) -> Document:
        """Requests, the last first; of one service, quota or status where that is asked for."""
        if "QuotaCode" in request:
            _wanted(request)

        def work(transaction: Transaction) -> list[Document]:
            rows = transaction.resources.query(context.world, REQUEST, limit=_MOST)
            return [dict(row.spec) for row in rows if _fits(request, row.spec)]

        found = await self._store.read(work)
        page, rest = _page(found, lambda change: str(change["Id"]), request)
        return {"RequestedQuotas": page, **rest}


def _check_service(request: Document) -> None:
    if request["ServiceCode"] != SERVICE:
        raise _missing(f"The service {request['ServiceCode']} does not exist.")


def _wanted(request: Document) -> Quota:
    """By code; by name is the command line's way."""
    _check_service(request)
    quota = find(request["QuotaCode"])
    if quota is None:
        raise _missing(f"The quota {request['QuotaCode']} does not exist.")
    return quota


def _missing(text: str) -> Fault:
    return Fault("NoSuchResourceException", text)


def _shown(world: World, quota: Quota, value: float) -> Document:
    return {
        "ServiceCode": SERVICE,
        "ServiceName": SERVICE_NAME,
        "QuotaArn": _arn(world, quota),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def _change(context: Context, quota: Quota, desired: float) -> Document:
    return {
        "Id": uuid.uuid4().hex,
        "ServiceCode": SERVICE,
        "ServiceName": SERVICE_NAME,
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "DesiredValue": desired,
        "Status": "APPROVED",
        "Created": context.now,
        "LastUpdated": context.now,
        "Requester": context.caller.arn,
        "QuotaArn": _arn(context.world, quota),
        "GlobalQuota": False,
        "Unit": "None",
        "QuotaRequestedAtLevel": "ACCOUNT",
    }


def _arn(world: World, quota: Quota) -> str:
    return f"arn:aws:servicequotas:{world.region}:{world.account}:{SERVICE}/{quota.code}"


def _fits(request: Document, change: object) -> bool:
    return isinstance(change, dict) and all(
        change[member] == request[member] for member in ("ServiceCode", "QuotaCode", "Status") if member in request
    )


def _page(items: Sequence[Item], name: Callable[[Item], str], request: Document) -> tuple[list[Item], Document]:
    """What follows the item that NextToken names; its form is what the model's pattern allows."""
    start = 0
    if "NextToken" in request:
        names = [name(item) for item in items]
        try:
            start = names.index(base64.b64decode(request["NextToken"], validate=True).decode()) + 1
        except (binascii.Error, ValueError):
            raise Fault("InvalidPaginationTokenException", "Invalid token was used.") from None
    page = list(items[start : start + request.get("MaxResults", _PAGE)])
    if start + len(page) >= len(items):
        return page, {}
    return page, {"NextToken": base64.b64encode(name(page[-1]).encode()).decode()}
