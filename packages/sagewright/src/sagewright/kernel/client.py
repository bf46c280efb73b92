"""The public API in process: how features, which may not import one another, talk."""

from __future__ import annotations

import copy
from collections.abc import Awaitable
from typing import Protocol

from sagewright.base.ids import request_id
from sagewright.kernel.api import Api
from sagewright.kernel.controller import Later
from sagewright.kernel.operation import Caller
from sagewright.store.rows import Document
from sagewright.wire.dispatch import validate
from sagewright.wire.errors import Fault

PASSING = 500
"""HTTP status from which a refusal may pass."""


class Client(Protocol):
    """Calls an operation as ``caller``: same validation, same faults as over HTTP."""

    async def call(self, caller: Caller, service: str, operation: str, request: Document) -> Document:
        """Raises wire.errors.Fault."""


async def looked_up(describing: Awaitable[Document], retry: float) -> Document | None:
    """What a Describe answers, None where there is nothing. Raises Later (``retry`` seconds) when that cannot be said now."""
    try:
        return await describing
    except Fault as fault:
        if fault.status >= PASSING:
            raise Later(retry, str(fault)) from fault
        return None


class LocalClient:
    """A Client on the API of this process."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def call(self, caller: Caller, service: str, operation: str, request: Document) -> Document:
        """Raises wire.errors.Fault; any other exception is a bug of the handler. Neither side can change the other's document."""
        document = copy.deepcopy(request)
        validate(service, operation, document)
        return copy.deepcopy(await self._api.run(caller, service, operation, document, request_id()))
