"""The public API in process: how features, which may not import one another, talk."""

from __future__ import annotations

import copy
from typing import Protocol

from sagewright.base.ids import request_id
from sagewright.kernel.api import Api
from sagewright.kernel.operation import Caller
from sagewright.store.rows import Document
from sagewright.wire.dispatch import validate


class Client(Protocol):
    """Calls an operation as ``caller``: same validation, same faults as over HTTP."""

    async def call(self, caller: Caller, service: str, operation: str, request: Document) -> Document:
        """Raises wire.errors.Fault."""


class LocalClient:
    """A Client on the API of this process."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def call(self, caller: Caller, service: str, operation: str, request: Document) -> Document:
        """Raises wire.errors.Fault; any other exception is a bug of the handler. Neither side can change the other's document."""
        document = copy.deepcopy(request)
        validate(service, operation, document)
        return copy.deepcopy(await self._api.run(caller, service, operation, document, request_id()))
